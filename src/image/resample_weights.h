#pragma once

#include <cstdint>
#include <vector>

#include "sd/image/resize.h"

namespace sd {

/// Pillow's fixed point: 8 bits of pixel, 2 for overshoot and sign, the rest for the weight.
inline constexpr int kPrecisionBits = 32 - 8 - 2;

/// Which inputs make an output sample, and by how much.
struct ResampleWindow {
  int64_t first = 0;
  int64_t count = 0;
  int64_t weights = 0;  // where its weights begin
};

/// The weights of one axis, in units of 2^-kPrecisionBits.
struct ResampleWeights {
  std::vector<ResampleWindow> windows;  // one for each output sample
  std::vector<int32_t> weights;
};

/// Pillow's precompute_coeffs and normalize_coeffs_8bpc over the whole axis. Sizes are 1 to
/// kMaxSide.
ResampleWeights resample_weights(int64_t in, int64_t out, Filter filter);

}  // namespace sd
