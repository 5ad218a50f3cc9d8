#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sd/image/image.h"

namespace sd {

enum class Filter {
  kBox,
  kBilinear,  // triangle
  kBicubic,   // Keys' cubic convolution; a = -0.5 for pictures, -0.75 for maps
  kLanczos,   // a = 3
};

/// No side of a picture that is resized may be longer: the weights of a row are kept in memory.
inline constexpr int64_t kMaxSide = 1'000'000;

/// `image` at width x height pixels, to the bit what Pillow 13's Image.resize(size, filter) gives
/// for modes L, RGB and RGBA: when shrinking the filter widens with the scale, and colours are
/// weighted by alpha. Older Pillows differ by a rounding where the height loses over twice the
/// pixels that the width does. The same size is a copy. Throws UsageError if the picture
/// contradicts itself, a side is not 1 to kMaxSide, or source or result have more than kMaxPixels.
Image resize(const Image& image, int64_t width, int64_t height, Filter filter);

/// A map [h,w] at [height,width], rows top to bottom, as torch.nn.functional.interpolate does it
/// without antialiasing, align_corners false: kBicubic (values may overshoot), kBilinear, and kBox
/// for mode "area", the mean of what a cell covers. Accumulates in double. Throws UsageError if the
/// sizes do not fit the map, for kLanczos, and beyond the limits of resize().
std::vector<float> resize_map(std::span<const float> map, int64_t h, int64_t w, int64_t height,
                              int64_t width, Filter filter);

}  // namespace sd
