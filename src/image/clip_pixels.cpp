#include "sd/image/clip_pixels.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "sd/image/resize.h"

namespace sd {
namespace {

constexpr std::array<float, 3> kMean = {0.48145466F, 0.4578275F, 0.40821073F};
constexpr std::array<float, 3> kDeviation = {0.26862954F, 0.26130258F, 0.27577711F};

/// Red, green and blue of every pixel, whatever its alpha.
Image colours_of(const Image& picture) {
  if (picture.channels == 3) return picture;
  Image colours{picture.width, picture.height, 3, {}};
  const auto step = static_cast<std::size_t>(picture.channels);
  for (std::size_t at = 0; at + step <= picture.pixels.size(); at += step) {
    for (std::size_t c = 0; c < 3; ++c)
      colours.pixels.push_back(picture.pixels[at + (step == 1 ? 0 : c)]);
  }
  return colours;
}

/// The shorter side becomes `side`; of the longer one a fraction of a pixel is dropped.
Image fitted(const Image& picture, int64_t side) {
  const auto shorter = std::max<int64_t>(std::min(picture.width, picture.height), 1);
  const auto scaled = [&](int64_t length) {
    return length == shorter ? side : side * length / shorter;
  };
  return resize(picture, scaled(picture.width), scaled(picture.height), Filter::kBicubic);
}

}  // namespace

std::vector<float> clip_pixels(const Image& picture, int64_t side) {
  const auto image = fitted(colours_of(picture), side);
  const int64_t top = (image.height - side) / 2, left = (image.width - side) / 2;
  std::vector<float> pixels;
  pixels.reserve(static_cast<std::size_t>(3 * side * side));
  for (std::size_t c = 0; c < 3; ++c) {
    for (int64_t y = top; y < top + side; ++y) {
      for (int64_t x = left; x < left + side; ++x) {
        const auto byte = image.pixels[static_cast<std::size_t>((y * image.width + x) * 3) + c];
        const auto value = static_cast<float>(static_cast<double>(byte) * (1 / 255.0));
        pixels.push_back((value - kMean[c]) / kDeviation[c]);
      }
    }
  }
  return pixels;
}

}  // namespace sd
