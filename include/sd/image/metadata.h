#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sd/image/png.h"

namespace sd {

/// What a picture says about itself.
struct PictureMetadata {
  std::string format;  // "PNG", "JPEG", "WebP", "GIF", …
  int64_t width = 0;   // as read_image gives it: upright by EXIF orientation
  int64_t height = 0;
  std::vector<PngText> texts;  // of a PNG; of EXIF our settings, keyword "sd", or what else its
                               // ImageDescription says, under that name, and ComfyUI's graphs
  std::optional<std::string>
      parameters;  // the infotext: PNG's `parameters` text, or the EXIF UserComment
};

/// Reads it without decoding pixels. Throws IoError if the file is missing, no picture, damaged or
/// cut short.
PictureMetadata read_metadata(const std::filesystem::path& path);
PictureMetadata parse_metadata(std::span<const std::byte> file);

}  // namespace sd
