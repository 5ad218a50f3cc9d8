#include <fmt/format.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>

#include "image/encoders.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"

namespace sd {
namespace {

constexpr int kLosslessQuality = 100;
constexpr int kLosslessLevel = 6;  // of 0 (fast) to 9 (small): libwebp's own default

class WebpPicture {
 public:
  WebpPicture() {
    if (WebPPictureInit(&picture_) == 0) throw Error("libwebp does not match its headers");
    WebPMemoryWriterInit(&writer_);
    picture_.writer = WebPMemoryWrite;
    picture_.custom_ptr = &writer_;
  }
  ~WebpPicture() {
    WebPPictureFree(&picture_);
    WebPMemoryWriterClear(&writer_);
  }
  WebpPicture(const WebpPicture&) = delete;
  WebpPicture& operator=(const WebpPicture&) = delete;

  void import(const Image& image) {
    picture_.width = static_cast<int>(image.width);
    picture_.height = static_cast<int>(image.height);
    picture_.use_argb = 1;
    const auto stride = static_cast<int>(image.width * image.channels);
    const auto take = image.channels == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB;
    if (take(&picture_, image.pixels.data(), stride) == 0)
      throw OutOfMemory("no memory for a WebP");
  }
  void encode(const WebPConfig& config) {
    if (WebPEncode(&config, &picture_) != 0) return;
    if (picture_.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY) {
      throw OutOfMemory("no memory for a WebP");
    }
    throw IoError(
        fmt::format("WebP could not be written (code {})", static_cast<int>(picture_.error_code)));
  }
  WebPData file() const { return {writer_.mem, writer_.size}; }

 private:
  WebPPicture picture_{};
  WebPMemoryWriter writer_{};
};

WebPConfig config_of(int quality) {
  WebPConfig config;
  const bool lossless = quality == kLosslessQuality;
  const bool known = WebPConfigInit(&config) != 0 &&
                     (!lossless || WebPConfigLosslessPreset(&config, kLosslessLevel) != 0);
  if (!known) throw Error("libwebp does not match its headers");
  if (lossless) {
    config.exact = 1;  // the colour of transparent pixels too
  } else {
    config.quality = static_cast<float>(quality);
    config.use_sharp_yuv = 1;  // keeps edges between colours, which 4:2:0 blurs
  }
  return config;
}

std::vector<std::byte> copy_of(const WebPData& data) {
  const auto bytes = std::as_bytes(std::span(data.bytes, data.size));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> with_exif(const WebPData& file, ByteSpan exif) {
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(
      WebPMuxCreate(&file, /*copy_data=*/0), WebPMuxDelete);
  const WebPData chunk{reinterpret_cast<const uint8_t*>(exif.data()), exif.size()};
  WebPData assembled{};
  if (!mux || WebPMuxSetChunk(mux.get(), "EXIF", &chunk, /*copy_data=*/0) != WEBP_MUX_OK ||
      WebPMuxAssemble(mux.get(), &assembled) != WEBP_MUX_OK) {
    throw OutOfMemory("no memory for a WebP");
  }
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owner(&assembled, WebPDataClear);
  return copy_of(assembled);
}

}  // namespace

std::vector<std::byte> encode_webp(const Image& image, int quality, ByteSpan exif) {
  // WebP has no grey pictures.
  if (image.channels == 1) return encode_webp(to_rgb(image), quality, exif);
  WebpPicture picture;
  picture.import(image);
  picture.encode(config_of(quality));
  return exif.empty() ? copy_of(picture.file()) : with_exif(picture.file(), exif);
}

}  // namespace sd
