#pragma once

#include <cstdint>
#include <optional>

#include "sd/image/image.h"

namespace sd {

struct Size {
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const Size&) const = default;
};

/// The size at which img2img works on a picture of size `input`: its sides rounded down to a
/// multiple of `multiple`, but never to 0 (the original script does it with 32). An explicit width
/// or height wins; if only one is given, the other side keeps the aspect, rounded down likewise.
/// Throws UsageError if a given side is not a positive multiple, or the result exceeds kMaxPixels.
Size fit_size(Size input, std::optional<int64_t> width, std::optional<int64_t> height,
              int64_t multiple = 64);

/// The picture as RGB. Grey is repeated; alpha is composed over white, rounded to the nearest value
/// (PIL's convert("RGB") would show the hidden colour of transparent pixels).
Image to_rgb(const Image& image);

/// The picture as one channel, as PIL's convert("L") computes it: ITU-R 601-2 luma in 16-bit fixed
/// point. Alpha is first composed over white.
Image to_gray(const Image& image);

}  // namespace sd
