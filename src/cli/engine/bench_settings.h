#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace sd::cli {

/// What `sd bench` measures, beside what the plan says is drawn.
struct BenchSettings {
  int64_t rounds = 1;  // measured pictures, or batches of them
  bool waits = false;  // measures one evaluation for each line of standard input instead
  std::optional<std::filesystem::path> profile;  // where a Chrome trace of the first round goes
};

}  // namespace sd::cli
