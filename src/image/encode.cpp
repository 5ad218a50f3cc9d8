#include "sd/image/encode.h"

#include <fmt/format.h>

#include <algorithm>

#include "image/checks.h"
#include "image/encoders.h"
#include "image/exif_block.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::size_t kSegment = 65535;  // what the two bytes of a JPEG segment's length can say
constexpr std::size_t kExifName = 8;     // that length itself and "Exif\0\0"

std::string_view format_word(FileFormat format) {
  return format == FileFormat::kJpeg ? "JPEG" : format == FileFormat::kWebp ? "WebP" : "PNG";
}

void check_encoding(const Image& image, const Encoding& encoding, std::size_t exif) {
  const auto word = format_word(encoding.format);
  check_picture(image, word);
  const auto longest = longest_side(encoding.format);
  if (std::max(image.width, image.height) > longest) {
    throw UsageError(fmt::format("a {} holds at most {} pixels a side, this picture has {}x{}",
                                 word, longest, image.width, image.height));
  }
  if (encoding.format == FileFormat::kJpeg && image.channels == 4) {
    throw UsageError("a JPEG has no alpha channel");
  }
  if (encoding.quality < 1 || encoding.quality > 100) {
    throw UsageError(fmt::format("quality {} is not 1 to 100", encoding.quality));
  }
  if (exif > most_exif_bytes(encoding.format)) {
    throw UsageError(fmt::format("a {} holds at most {} bytes of EXIF, these are {}", word,
                                 most_exif_bytes(encoding.format), exif));
  }
}

}  // namespace

std::string_view file_ending(FileFormat format) {
  return format == FileFormat::kJpeg ? ".jpg" : format == FileFormat::kWebp ? ".webp" : ".png";
}

int64_t longest_side(FileFormat format) {
  constexpr int64_t kPng = 1'000'000, kJpeg = 65'500, kWebp = 16'383;  // the libraries' own limits
  return format == FileFormat::kJpeg ? kJpeg : format == FileFormat::kWebp ? kWebp : kPng;
}

std::size_t most_exif_bytes(FileFormat format) {
  constexpr std::size_t kPlenty = std::size_t{1} << 30;  // a RIFF chunk's length has 32 bits
  return format == FileFormat::kJpeg ? kSegment - kExifName : kPlenty;
}

std::vector<PngText> texts_that_fit(FileFormat format, std::vector<PngText> texts) {
  const auto fits = [&] {
    return format == FileFormat::kPng || encode_exif(texts).size() <= most_exif_bytes(format);
  };
  if (!fits()) {
    std::erase_if(texts, [](const PngText& text) { return text.keyword == kSettingsKeyword; });
  }
  if (!fits()) texts.clear();
  return texts;
}

std::vector<std::byte> encode_picture(const Image& image, const Encoding& encoding,
                                      const std::vector<PngText>& texts) {
  if (encoding.format == FileFormat::kPng) return encode_png(image, texts);
  const auto exif = encode_exif(texts);
  check_encoding(image, encoding, exif.size());
  const auto encode = encoding.format == FileFormat::kJpeg ? encode_jpeg : encode_webp;
  return encode(image, static_cast<int>(encoding.quality), exif);
}

}  // namespace sd
