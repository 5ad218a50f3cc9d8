#pragma once

#include <cstdint>
#include <vector>

#include "image/bytes.h"
#include "sd/image/image.h"

namespace sd {

// One a format, of pictures that check_picture let pass; `exif` may be empty.

/// 1 or 3 channels, sides up to 65,500 pixels, exif up to most_exif_bytes.
std::vector<std::byte> encode_jpeg(const Image& image, int quality, ByteSpan exif);

/// Sides up to 16,383 pixels. Quality 100 is lossless.
std::vector<std::byte> encode_webp(const Image& image, int quality, ByteSpan exif);

}  // namespace sd
