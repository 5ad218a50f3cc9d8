#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sd {

/// Pixels of a side that a box covers: its edges are moved to the nearest between two pixels. At
/// least the pixel under its middle.
struct BoxSpan {
  int64_t begin, size;
  BoxSpan(double from, double to, int64_t side) {
    const auto whole = static_cast<double>(side);
    begin = std::llround(from * whole);
    size = std::llround(to * whole) - begin;
    if (size > 0) return;
    begin = std::min(static_cast<int64_t>((from + to) / 2 * whole), side - 1);
    size = 1;
  }
  int64_t end() const { return begin + size; }
};

}  // namespace sd
