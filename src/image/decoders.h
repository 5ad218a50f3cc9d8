#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "image/bytes.h"
#include "sd/image/image.h"

namespace sd {

enum class PictureFormat { kPng, kJpeg, kWebp, kGif, kBmp, kPsd, kPnm, kTga };

/// What `file` is by its first bytes, or nothing if it is no picture that can be read.
std::optional<PictureFormat> sniff_picture(ByteSpan file);

/// As sniff_picture. Throws IoError saying what the file is instead.
PictureFormat require_picture(ByteSpan file);

/// "PNG", "JPEG", …
std::string_view format_name(PictureFormat format);

struct PictureSize {
  int64_t width = 0;
  int64_t height = 0;
};

/// Throws IoError if a side is 0 or there are more than kMaxPixels.
void check_size(std::string_view format, PictureSize size);

/// A picture as stored, and how EXIF says it is to be turned (1 to 8, 1: upright).
struct StoredPicture {
  Image image;
  int orientation = 1;
};

// Each throws IoError, its message beginning with the format's name, if the file is damaged, cut
// short or too large.
StoredPicture decode_png(ByteSpan file);
StoredPicture decode_jpeg(ByteSpan file);
StoredPicture decode_webp(ByteSpan file);
Image decode_pnm(ByteSpan file);
/// BMP, GIF (its first picture), TGA and PSD.
Image decode_by_stb(ByteSpan file, PictureFormat format);

PictureSize webp_size(ByteSpan file);
PictureSize pnm_size(ByteSpan file);
PictureSize size_by_stb(ByteSpan file, PictureFormat format);

/// Turns and mirrors the pixels as EXIF orientation 1 to 8 says, so that the picture stands
/// upright.
Image turn_upright(Image image, int orientation);

/// Whether `orientation` swaps width and height.
inline bool swaps_sides(int orientation) { return orientation >= 5; }

}  // namespace sd
