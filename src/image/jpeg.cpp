// jpeglib.h needs FILE and size_t declared before it, jerror.h needs jpeglib.h.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <fmt/format.h>

#include <csetjmp>

#include "image/decoders.h"
#include "image/exif_block.h"
#include "sd/core/error.h"

namespace sd {
namespace {

// A progressive file of a few kilobytes can name thousands of scans over a huge picture; encoders
// write about ten.
constexpr int kMaxScans = 500;

/// libjpeg's error manager with a place to return to. `base` is first: libjpeg hands out pointers
/// to it.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf place;
  bool cut_short;
  char problem[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  errors->base.format_message(info, errors->problem);
  std::longjmp(errors->place, 1);
}

/// libjpeg only warns when the data end early, and fills up with grey.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code != JWRN_JPEG_EOF && code != JWRN_HIT_MARKER) return;
  reinterpret_cast<ErrorManager*>(info->err)->cut_short = true;
  on_error(info);
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(errors->problem, sizeof(errors->problem), "more than %d scans", kMaxScans);
  std::longjmp(errors->place, 1);
}

class JpegReader {
 public:
  explicit JpegReader(ByteSpan file) : file_(file) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    errors_.base.output_message = on_output;
    progress_.progress_monitor = on_progress;
  }
  // Fit for a reader that was never opened, too: libjpeg sees the null pointer.
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  /// Reads up to the first scan. Throws IoError.
  void open() {
    guard([this] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
      jpeg_read_header(&info_, TRUE);
    });
  }

  /// Runs `body`, which calls libjpeg and owns nothing (libjpeg leaves through longjmp). Throws
  /// IoError.
  template <typename Body>
  void guard(const Body& body) {
    if (!runs(body)) fail();
  }
  jpeg_decompress_struct& info() { return info_; }

 private:
  template <typename Body>
  [[gnu::noinline]] bool runs(const Body& body) {
    if (setjmp(errors_.place) != 0) return false;
    body();
    return true;
  }

  [[noreturn]] void fail() const {
    if (errors_.cut_short) {
      throw IoError(fmt::format("JPEG is cut short: it goes on after its {} bytes", file_.size()));
    }
    throw IoError(fmt::format("JPEG is damaged: {}", errors_.problem));
  }

  ByteSpan file_;
  jpeg_decompress_struct info_{};
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
};

/// a * b / 255, rounded.
uint8_t multiply(uint32_t a, uint32_t b) { return static_cast<uint8_t>((a * b + 127) / 255); }

/// Colour of Adobe's CMYK, which is stored inverted (255: no ink), without a profile, as Pillow
/// computes it.
std::vector<uint8_t> rgb_of_inverted_cmyk(const std::vector<uint8_t>& cmyk) {
  std::vector<uint8_t> rgb(cmyk.size() / 4 * 3);
  for (std::size_t i = 0; i < cmyk.size() / 4; ++i) {
    const uint8_t black = cmyk[i * 4 + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const auto ink = static_cast<uint8_t>(255 - cmyk[i * 4 + c]);
      rgb[i * 3 + c] = static_cast<uint8_t>(black - multiply(ink, black));
    }
  }
  return rgb;
}

}  // namespace

StoredPicture decode_jpeg(ByteSpan file) {
  JpegReader reader(file);
  reader.open();
  auto& info = reader.info();
  check_size("JPEG", {info.image_width, info.image_height});

  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  const bool grey = info.jpeg_color_space == JCS_GRAYSCALE;
  info.out_color_space = cmyk ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
  reader.guard([&] { jpeg_start_decompress(&info); });

  StoredPicture picture;
  Image& image = picture.image;
  image.width = info.output_width;
  image.height = info.output_height;
  image.channels = info.output_components;
  const std::size_t stride =
      std::size_t{info.output_width} * static_cast<std::size_t>(info.output_components);
  image.pixels.resize(stride * info.output_height);
  reader.guard([&] {
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = image.pixels.data() + stride * info.output_scanline;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  });
  if (cmyk) {
    image.pixels = rgb_of_inverted_cmyk(image.pixels);
    image.channels = 3;
  }
  if (const auto header = read_jpeg_header(file))
    picture.orientation = exif_orientation(header->exif);
  return picture;
}

}  // namespace sd
