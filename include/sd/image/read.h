#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "sd/image/image.h"

namespace sd {

/// Pictures with more pixels than this are refused before memory is taken for them.
inline constexpr int64_t kMaxPixels = int64_t{20000} * 20000;

/// Decodes PNG, JPEG, WebP by their libraries and BMP, GIF, TGA, PNM, PSD by stb_image; turned upright by EXIF
/// orientation. Channels as in the file (1, 3 or 4; 16-bit is reduced to 8). Throws IoError naming what the file is.
Image read_image(const std::filesystem::path& path);
Image decode_image(std::span<const std::byte> file);

}  // namespace sd
