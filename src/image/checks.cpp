#include "image/checks.h"

#include <fmt/format.h>

#include "sd/core/error.h"
#include "sd/image/read.h"

namespace sd {

void check_size(int64_t width, int64_t height, std::string_view what) {
  if (width < 1 || height < 1) {
    throw UsageError(
        fmt::format("{}: {} x {} pixels, expected at least 1 x 1", what, width, height));
  }
  if (width > kMaxPixels / height) {
    throw UsageError(fmt::format("{}: {} x {} pixels are more than the limit of {}", what, width,
                                 height, kMaxPixels));
  }
}

void check_picture(const Image& image, std::string_view what) {
  check_size(image.width, image.height, what);
  if (image.channels != 1 && image.channels != 3 && image.channels != 4) {
    throw UsageError(fmt::format("{}: {} channels, expected 1 (grey), 3 (RGB) or 4 (RGBA)", what,
                                 image.channels));
  }
  const int64_t expected = image.width * image.height * image.channels;
  if (image.pixels.size() != static_cast<std::size_t>(expected)) {
    throw UsageError(fmt::format("{}: {} x {} pixels with {} channels need {} bytes, found {}",
                                 what, image.width, image.height, image.channels, expected,
                                 image.pixels.size()));
  }
}

void check_grey(const Image& image, std::string_view what) {
  check_picture(image, what);
  if (image.channels != 1) {
    throw UsageError(
        fmt::format("{}: {} channels, expected 1 (see to_gray)", what, image.channels));
  }
}

void check_map(std::span<const float> map, int64_t h, int64_t w, std::string_view what) {
  check_size(w, h, what);
  if (map.size() != static_cast<std::size_t>(h * w)) {
    throw UsageError(
        fmt::format("{}: {} rows of {} need {} values, found {}", what, h, w, h * w, map.size()));
  }
}

}  // namespace sd
