#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sd/image/image.h"

namespace sd {

/// Throws UsageError unless 1 <= width, height and width * height <= kMaxPixels. `what` begins the
/// message: "the sheet", "--init-mask".
void check_size(int64_t width, int64_t height, std::string_view what);

/// The same of a picture, whose bytes must fit its size and its 1, 3 or 4 channels.
void check_picture(const Image& image, std::string_view what);

/// Also demands one channel.
void check_grey(const Image& image, std::string_view what);

/// Throws UsageError unless `map` has h * w values, h and w at least 1.
void check_map(std::span<const float> map, int64_t h, int64_t w, std::string_view what);

}  // namespace sd
