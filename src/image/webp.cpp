#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "image/decoders.h"
#include "image/exif_block.h"
#include "sd/core/error.h"

namespace sd {
namespace {

const uint8_t* bytes_of(ByteSpan file) { return reinterpret_cast<const uint8_t*>(file.data()); }

/// The features, after a check that all that the RIFF header promises is there.
WebPBitstreamFeatures read_features(ByteSpan file) {
  const auto promised = read_unsigned(file, 4, 4, false);
  if (!promised || !slice(file, 8, *promised)) {
    throw IoError(fmt::format("WebP is cut short: its header promises {} bytes, the file has {}",
                              promised ? uint64_t{*promised} + 8 : uint64_t{12}, file.size()));
  }
  WebPBitstreamFeatures features{};
  const auto status = WebPGetFeatures(bytes_of(file), file.size(), &features);
  if (status != VP8_STATUS_OK)
    throw IoError(fmt::format("WebP is damaged: its header cannot be read (code {})",
                              static_cast<int>(status)));
  check_size("WebP", {features.width, features.height});
  return features;
}

void decode_still(ByteSpan file, Image& image) {
  const auto stride = static_cast<int>(image.width * image.channels);
  const auto decode = image.channels == 4 ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(bytes_of(file), file.size(), image.pixels.data(), image.pixels.size(), stride) ==
      nullptr) {
    throw IoError("WebP is damaged: its pixels cannot be decoded");
  }
}

/// The first picture of an animation, on its whole canvas.
void decode_animated(ByteSpan file, Image& image) {
  const WebPData whole{bytes_of(file), file.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);  // RGBA
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&whole, &options), WebPAnimDecoderDelete);
  uint8_t* canvas = nullptr;
  int timestamp = 0;
  if (!decoder || WebPAnimDecoderGetNext(decoder.get(), &canvas, &timestamp) == 0) {
    throw IoError("WebP is damaged: the first picture of its animation cannot be decoded");
  }
  std::memcpy(image.pixels.data(), canvas, image.pixels.size());
}

}  // namespace

StoredPicture decode_webp(ByteSpan file) {
  const auto features = read_features(file);
  StoredPicture picture;
  Image& image = picture.image;
  image.width = features.width;
  image.height = features.height;
  image.channels = features.has_alpha != 0 || features.has_animation != 0 ? 4 : 3;
  image.pixels.resize(static_cast<std::size_t>(image.width * image.height * image.channels));
  if (features.has_animation != 0) {
    decode_animated(file, image);
  } else {
    decode_still(file, image);
  }
  picture.orientation = exif_orientation(webp_exif(file));
  return picture;
}

PictureSize webp_size(ByteSpan file) {
  const auto features = read_features(file);
  return {features.width, features.height};
}

ByteSpan webp_exif(ByteSpan file) {
  const WebPData whole{bytes_of(file), file.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&whole),
                                                                         WebPDemuxDelete);
  if (!demuxer) return {};
  WebPChunkIterator iterator{};
  ByteSpan exif;
  if (WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &iterator) != 0) {
    exif = std::as_bytes(std::span(iterator.chunk.bytes, iterator.chunk.size));
  }
  WebPDemuxReleaseChunkIterator(&iterator);
  return without_exif_name(exif);  // the name that the block has in a JPEG
}

}  // namespace sd
