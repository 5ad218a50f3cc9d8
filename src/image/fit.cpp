#include "sd/image/fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "image/checks.h"
#include "sd/core/error.h"
#include "sd/image/read.h"

namespace sd {
namespace {

int64_t rounded_down(int64_t side, int64_t multiple) {
  return std::max(side / multiple, int64_t{1}) * multiple;
}

void check_given(std::optional<int64_t> side, int64_t multiple, std::string_view name) {
  if (!side || (*side >= multiple && *side % multiple == 0 && *side <= kMaxPixels)) return;
  const int64_t near = std::clamp<int64_t>(*side, multiple, kMaxPixels);
  const int64_t nearest = rounded_down(near + multiple / 2, multiple);
  throw UsageError(fmt::format("{} must be a multiple of {}, not {} (nearest: {})", name, multiple,
                               *side, nearest));
}

/// The side that belongs to `given` at the aspect of the input. No product overflows: both factors
/// are at most kMaxPixels, 4e8.
int64_t in_proportion(int64_t given, int64_t input_given, int64_t input_other, int64_t multiple) {
  return rounded_down(given * input_other / input_given, multiple);
}

}  // namespace

Size fit_size(Size input, std::optional<int64_t> width, std::optional<int64_t> height,
              int64_t multiple) {
  check_size(input.width, input.height, "input picture");
  if (multiple < 1 || multiple > kMaxPixels) {
    throw UsageError(fmt::format("sides cannot be multiples of {}", multiple));
  }
  check_given(width, multiple, "width");
  check_given(height, multiple, "height");
  Size size{rounded_down(input.width, multiple), rounded_down(input.height, multiple)};
  if (width && !height) {
    size.height = in_proportion(*width, input.width, input.height, multiple);
  } else if (height && !width) {
    size.width = in_proportion(*height, input.height, input.width, multiple);
  }
  size = {width.value_or(size.width), height.value_or(size.height)};
  check_size(size.width, size.height, "size to work at");
  return size;
}

Image to_rgb(const Image& image) {
  check_picture(image, "picture to turn to RGB");
  if (image.channels == 3) return image;
  Image rgb{image.width, image.height, 3, {}};
  rgb.pixels.reserve(static_cast<std::size_t>(image.width * image.height * 3));
  if (image.channels == 1) {
    for (const auto grey : image.pixels) rgb.pixels.insert(rgb.pixels.end(), 3, grey);
    return rgb;
  }
  for (auto pixel = image.pixels.begin(); pixel != image.pixels.end(); pixel += 4) {
    const int alpha = pixel[3];
    for (int c = 0; c < 3; ++c) {
      rgb.pixels.push_back(
          static_cast<uint8_t>((pixel[c] * alpha + 255 * (255 - alpha) + 127) / 255));
    }
  }
  return rgb;
}

Image to_gray(const Image& image) {
  check_picture(image, "picture to turn to grey");
  if (image.channels == 1) return image;
  const auto rgb = to_rgb(image);
  Image grey{rgb.width, rgb.height, 1, {}};
  grey.pixels.reserve(static_cast<std::size_t>(rgb.width * rgb.height));
  for (auto pixel = rgb.pixels.begin(); pixel != rgb.pixels.end(); pixel += 3) {
    // 0.299, 0.587 and 0.114 times 2^16, as libImaging/Convert.c has them.
    const int luma = pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000;
    grey.pixels.push_back(static_cast<uint8_t>(luma >> 16));
  }
  return grey;
}

}  // namespace sd
