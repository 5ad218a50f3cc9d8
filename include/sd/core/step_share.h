#pragma once

#include <cstdint>

namespace sd {

/// A part of a run in fractions of its steps.
struct StepShare {
  double begin = 0;
  double end = 1;

  bool operator==(const StepShare&) const = default;
  /// Whether step number `step` of `num_steps` is one of those from int(begin · steps) up to, not
  /// including, int(end · steps).
  bool contains(int64_t step, int64_t num_steps) const {
    const auto count = static_cast<double>(num_steps);
    return step >= static_cast<int64_t>(begin * count) && step < static_cast<int64_t>(end * count);
  }
};

}  // namespace sd
