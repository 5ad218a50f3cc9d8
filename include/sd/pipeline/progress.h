#pragma once

#include <cstdint>
#include <functional>

namespace sd {

/// Where a run stands. `done` of `total` steps of this stage are finished (0 at its start).
struct Progress {
  enum class Stage { kLoad, kEncode, kSample, kDecode };
  Stage stage = Stage::kLoad;
  int64_t done = 0;
  int64_t total = 0;
};

/// Called between steps; false stops the run, which then throws Cancelled.
using ProgressCallback = std::function<bool(const Progress&)>;

}  // namespace sd
