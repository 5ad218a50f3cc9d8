#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sd/image/image.h"
#include "sd/image/png.h"

namespace sd {

/// What pictures can be written as.
enum class FileFormat { kPng, kJpeg, kWebp };

inline constexpr int64_t kDefaultQuality = 90;

/// How a picture is written. `quality` is 1 to 100; PNG has none, WebP is lossless at 100.
struct Encoding {
  FileFormat format = FileFormat::kPng;
  int64_t quality = kDefaultQuality;
};

/// ".png", ".jpg", ".webp".
std::string_view file_ending(FileFormat format);

/// Longest side that the format can hold.
int64_t longest_side(FileFormat format);

/// Bytes of EXIF that a file of this format can hold.
std::size_t most_exif_bytes(FileFormat format);

/// An EXIF block (a TIFF file, without the name that stands before it in a JPEG) that says what
/// `texts` say: `parameters` as UserComment, "UNICODE" and big-endian UTF-16 as piexif and thereby
/// A1111 write it, and `sd` as ImageDescription, "sd:" before it and everything but ASCII escaped
/// as JSON does. Other keywords are left out. Empty if there is nothing to say.
std::vector<std::byte> encode_exif(const std::vector<PngText>& texts);

/// Those of `texts` that a file of this format can hold: without our settings, then without any,
/// where they are too long.
std::vector<PngText> texts_that_fit(FileFormat format, std::vector<PngText> texts);

/// The bytes of a picture file that says `texts` of itself: PNG as encode_png writes them, JPEG and
/// WebP in EXIF. JPEG keeps the colour of every pixel from quality 90 on and halves its resolution
/// below. Throws UsageError for a picture that contradicts itself, has another number of channels
/// than 1, 3 or 4 (JPEG: 1 or 3), sides longer than longest_side, or too much to say of itself.
std::vector<std::byte> encode_picture(const Image& image, const Encoding& encoding,
                                      const std::vector<PngText>& texts = {});

}  // namespace sd
