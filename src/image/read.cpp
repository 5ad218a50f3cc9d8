#include "sd/image/read.h"

#include "image/decoders.h"
#include "image/named_file.h"

namespace sd {
namespace {

StoredPicture decode_stored(ByteSpan file) {
  const auto format = require_picture(file);
  switch (format) {
    case PictureFormat::kPng:
      return decode_png(file);
    case PictureFormat::kJpeg:
      return decode_jpeg(file);
    case PictureFormat::kWebp:
      return decode_webp(file);
    case PictureFormat::kPnm:
      return {decode_pnm(file)};
    default:
      return {decode_by_stb(file, format)};
  }
}

}  // namespace

Image decode_image(ByteSpan file) {
  auto [image, orientation] = decode_stored(file);
  return turn_upright(std::move(image), orientation);
}

Image read_image(const std::filesystem::path& path) { return read_named(path, decode_image); }

}  // namespace sd
