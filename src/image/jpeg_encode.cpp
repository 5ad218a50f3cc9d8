// jpeglib.h needs FILE and size_t declared before it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <fmt/format.h>

#include <csetjmp>
#include <cstdlib>
#include <string>

#include "image/encoders.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr int kFullColourFrom = 90;  // quality from which chroma is not subsampled

/// libjpeg's error manager with a place to return to. `base` is first: libjpeg hands out pointers
/// to it.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf place;
  char problem[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  errors->base.format_message(info, errors->problem);
  std::longjmp(errors->place, 1);
}

void on_output(j_common_ptr) {}

class JpegWriter {
 public:
  JpegWriter() {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.output_message = on_output;
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&info_);
    std::free(file_);  // jpeg_mem_dest takes it from malloc
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  /// `segment` is the body of an APP1 segment, or empty.
  void write(const Image& image, int quality, const std::string& segment) {
    if (!runs(image, quality, segment)) {
      throw IoError(fmt::format("JPEG could not be written: {}", errors_.problem));
    }
  }
  std::vector<std::byte> take() const {
    const auto bytes = std::as_bytes(std::span(file_, size_));
    return {bytes.begin(), bytes.end()};
  }

 private:
  /// Owns nothing, as libjpeg leaves it through longjmp.
  [[gnu::noinline]] bool runs(const Image& image, int quality, const std::string& segment) {
    if (setjmp(errors_.place) != 0) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &file_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = static_cast<int>(image.channels);
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    info_.optimize_coding = TRUE;
    if (quality >= kFullColourFrom) {
      info_.comp_info[0].h_samp_factor = info_.comp_info[0].v_samp_factor = 1;
    }
    jpeg_start_compress(&info_, TRUE);
    if (!segment.empty()) {
      jpeg_write_marker(&info_, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(segment.data()),
                        static_cast<unsigned>(segment.size()));
    }
    const auto stride = static_cast<std::size_t>(image.width * image.channels);
    while (info_.next_scanline < info_.image_height) {
      // libjpeg takes rows it will not change without saying so.
      JSAMPROW row = const_cast<JSAMPROW>(image.pixels.data() + stride * info_.next_scanline);
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  jpeg_compress_struct info_{};
  ErrorManager errors_{};
  unsigned char* file_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality, ByteSpan exif) {
  std::string segment;
  if (!exif.empty()) segment = std::string("Exif\0\0", 6) + std::string(text_of(exif));
  JpegWriter writer;
  writer.write(image, quality, segment);
  return writer.take();
}

}  // namespace sd
