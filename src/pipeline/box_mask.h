#pragma once

#include <algorithm>
#include <cstdint>

namespace sd {

/// Pixels of a side that a box covers, from the one in which it begins up to, not including, the
/// one in which it ends; at least the one under its middle.
struct BoxSpan {
  int64_t begin, size;
  BoxSpan(double from, double to, int64_t side) {
    const auto whole = static_cast<double>(side);
    begin = static_cast<int64_t>(from * whole);
    size = static_cast<int64_t>(to * whole) - begin;
    if (size > 0) return;
    begin = std::min(static_cast<int64_t>((from + to) / 2 * whole), side - 1);
    size = 1;
  }
  int64_t end() const { return begin + size; }
};

}  // namespace sd
