#pragma once

#include <cstdint>

namespace sd::kernels {

/// value / unit, rounded up; neither is negative.
constexpr int64_t divided_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
/// The multiple of `unit` from `value` on.
constexpr int64_t rounded_up(int64_t value, int64_t unit) { return divided_up(value, unit) * unit; }

}  // namespace sd::kernels
