#include <utility>

#include "image/decoders.h"

namespace sd {

Image turn_upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  // EXIF 2.32, tag 0x0112: where row 0 and column 0 of the stored picture lie.
  const bool swap = swaps_sides(orientation);
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image upright{image.width, image.height, image.channels,
                std::vector<uint8_t>(image.pixels.size())};
  if (swap) std::swap(upright.width, upright.height);
  auto out = upright.pixels.begin();
  for (int64_t y = 0; y < upright.height; ++y) {
    for (int64_t x = 0; x < upright.width; ++x) {
      int64_t stored_x = swap ? y : x;
      int64_t stored_y = swap ? x : y;
      if (flip_x) stored_x = image.width - 1 - stored_x;
      if (flip_y) stored_y = image.height - 1 - stored_y;
      const auto pixel =
          image.pixels.begin() + (stored_y * image.width + stored_x) * image.channels;
      out = std::copy(pixel, pixel + image.channels, out);
    }
  }
  return upright;
}

}  // namespace sd
