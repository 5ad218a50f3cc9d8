#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "image/decoders.h"
#include "image/png_chunks.h"
#include "sd/core/error.h"
#include "sd/image/read.h"

namespace sd {
namespace {

using namespace std::string_view_literals;

/// TGA has no signature: the fields of its header must make sense together.
bool looks_like_tga(ByteSpan file) {
  const auto map_type = read_unsigned(file, 1, 1, false);
  const auto image_type = read_unsigned(file, 2, 1, false);
  const auto width = read_unsigned(file, 12, 2, false);
  const auto height = read_unsigned(file, 14, 2, false);
  const auto depth = read_unsigned(file, 16, 1, false);
  if (!depth || *map_type > 1 || *width == 0 || *height == 0) return false;
  const bool with_map = *image_type == 1 || *image_type == 9;
  const bool known_type =
      with_map || *image_type == 2 || *image_type == 3 || *image_type == 10 || *image_type == 11;
  constexpr std::array<uint32_t, 5> kDepths = {8, 15, 16, 24, 32};
  return known_type && with_map == (*map_type == 1) &&
         std::find(kDepths.begin(), kDepths.end(), *depth) != kDepths.end();
}

/// The first bytes with lower-case letters and without leading blanks, to look for markup.
std::string lower_start(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  std::string start(text.substr(std::min(first, text.size()), 64));
  for (char& c : start) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return start;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte >= 0x20 ? byte != 0x7F : c == '\t' || c == '\n' || c == '\r';
  });
}

}  // namespace

std::optional<PictureFormat> sniff_picture(ByteSpan file) {
  const auto text = text_of(file);
  if (text.starts_with(kPngSignature)) return PictureFormat::kPng;
  if (text.starts_with("\xFF\xD8\xFF"sv)) return PictureFormat::kJpeg;
  if (text.starts_with("RIFF"sv) &&
      text.substr(4).substr(std::min<std::size_t>(4, text.size() - 4), 4) == "WEBP"sv) {
    return PictureFormat::kWebp;
  }
  if (text.starts_with("GIF87a"sv) || text.starts_with("GIF89a"sv)) return PictureFormat::kGif;
  if (text.starts_with("8BPS"sv)) return PictureFormat::kPsd;
  if (text.size() > 2 && text[0] == 'P' && text[1] >= '1' && text[1] <= '6' &&
      (text[2] == '#' || text[2] == ' ' || (text[2] >= '\t' && text[2] <= '\r'))) {
    return PictureFormat::kPnm;
  }
  // "BM" alone begins texts, too; the reserved bytes behind the file size are 0.
  const auto reserved = read_unsigned(file, 6, 4, false);
  if (text.starts_with("BM"sv) && reserved == 0u) return PictureFormat::kBmp;
  if (looks_like_tga(file)) return PictureFormat::kTga;
  return std::nullopt;
}

std::string_view format_name(PictureFormat format) {
  switch (format) {
    case PictureFormat::kPng:
      return "PNG";
    case PictureFormat::kJpeg:
      return "JPEG";
    case PictureFormat::kWebp:
      return "WebP";
    case PictureFormat::kGif:
      return "GIF";
    case PictureFormat::kBmp:
      return "BMP";
    case PictureFormat::kPsd:
      return "PSD";
    case PictureFormat::kPnm:
      return "PNM";
    case PictureFormat::kTga:
      return "TGA";
  }
  return "picture";
}

std::string describe_non_picture(ByteSpan file) {
  const auto text = text_of(file);
  if (text.empty()) return "an empty file";
  struct Signature {
    std::string_view bytes;
    std::size_t offset;
    std::string_view meaning;
  };
  static constexpr Signature kSignatures[] = {
      {"version https://git-lfs"sv, 0,
       "a Git LFS pointer: the file itself was not fetched (git lfs pull)"},
      {"PK\x03\x04"sv, 0, "a zip archive"},
      {"%PDF"sv, 0, "a PDF document"},
      {"II*\0"sv, 0, "a TIFF picture, which is not read: convert it to PNG"},
      {"MM\0*"sv, 0, "a TIFF picture, which is not read: convert it to PNG"},
      {"ftypavif"sv, 4, "an AVIF picture, which is not read: convert it to PNG"},
      {"ftypheic"sv, 4, "a HEIC picture, which is not read: convert it to PNG"},
      {"ftyp"sv, 4, "a video or a picture of the MP4 family, which is not read: convert it to PNG"},
      {"\xFF\x0A"sv, 0, "a JPEG XL picture, which is not read: convert it to PNG"},
      {"\0\0\0\x0CJXL "sv, 0, "a JPEG XL picture, which is not read: convert it to PNG"},
      {"\x1F\x8B"sv, 0, "a gzip file: unpack it first"},
      {"\x93NUMPY"sv, 0, "a NumPy array"},
  };
  for (const auto& [bytes, offset, meaning] : kSignatures) {
    if (offset < text.size() && text.substr(offset).starts_with(bytes)) return std::string(meaning);
  }
  const auto start = lower_start(text);
  if (start.starts_with("<!doctype html") || start.starts_with("<html")) {
    return "an HTML page: the download gave a web page instead of the picture";
  }
  if (start.find("<svg") != std::string::npos)
    return "an SVG drawing, which is not read: convert it to PNG";
  const auto beginning = text.substr(0, 24);
  if (is_printable(beginning)) {
    const auto line = beginning.substr(0, beginning.find_first_of("\r\n"));
    return fmt::format("text that begins '{}'", line);
  }
  std::string bytes;
  for (const auto b : file.first(std::min<std::size_t>(file.size(), 8))) {
    bytes += fmt::format("{}{:02x}", bytes.empty() ? "" : " ", std::to_integer<int>(b));
  }
  return fmt::format("an unknown kind of file (its first bytes are {})", bytes);
}

PictureFormat require_picture(ByteSpan file) {
  if (const auto format = sniff_picture(file)) return *format;
  throw IoError(fmt::format("not a picture (PNG, JPEG, WebP, BMP, GIF, TGA, PNM or PSD) but {}",
                            describe_non_picture(file)));
}

void check_size(std::string_view format, PictureSize size) {
  if (size.width < 1 || size.height < 1) {
    throw IoError(
        fmt::format("{} is damaged: its size is {} x {} pixels", format, size.width, size.height));
  }
  if (size.width > kMaxPixels / size.height) {
    throw IoError(fmt::format(
        "{} is too large: {} x {} pixels, at most {} in all are read; make it smaller first",
        format, size.width, size.height, kMaxPixels));
  }
}

}  // namespace sd
