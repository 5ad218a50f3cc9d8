#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "sd/image/image.h"

namespace sd {

/// Pictures with more pixels than this are refused before memory is taken for them.
inline constexpr int64_t kMaxPixels = int64_t{20000} * 20000;

/// Decodes PNG, JPEG, WebP by their libraries, BMP, GIF, TGA and PSD by stb_image, and PNM (P5,
/// P6); of an animation the first picture; turned upright by EXIF orientation. Channels as in the
/// file (1, 3 or 4; grey with alpha becomes RGBA, CMYK becomes RGB; 16-bit is reduced to 8). Throws
/// IoError naming the format, or what the file is instead.
Image read_image(const std::filesystem::path& path);
Image decode_image(std::span<const std::byte> file);

}  // namespace sd
