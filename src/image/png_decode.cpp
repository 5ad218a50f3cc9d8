#include <fmt/format.h>

#include <cstring>

#include "image/decoders.h"
#include "image/exif_block.h"
#include "image/png_guard.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// The file libpng reads from, and what it had to say.
struct Reader {
  ByteSpan file;
  std::size_t at = 0;
  bool cut_short = false;
  char problem[128] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp problem) {
  auto& reader = *static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(reader.problem, problem, sizeof(reader.problem) - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void take(png_structp png, png_bytep out, png_size_t count) {
  auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  const auto bytes = slice(reader.file, reader.at, count);
  if (!bytes) {
    reader.cut_short = true;
    png_error(png, "end of file");
  }
  std::memcpy(out, bytes->data(), count);
  reader.at += count;
}

class PngReadStruct {
 public:
  explicit PngReadStruct(Reader& reader)
      : png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning)),
        info_(png_ != nullptr ? png_create_info_struct(png_) : nullptr) {}
  ~PngReadStruct() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReadStruct(const PngReadStruct&) = delete;
  PngReadStruct& operator=(const PngReadStruct&) = delete;

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }

 private:
  png_structp png_;
  png_infop info_;
};

[[noreturn]] void fail(const Reader& reader) {
  if (reader.cut_short) {
    throw IoError(
        fmt::format("PNG is cut short: it goes on after its {} bytes", reader.file.size()));
  }
  throw IoError(fmt::format("PNG is damaged near byte {}: {}", reader.at, reader.problem));
}

/// Asks libpng for 8 bits of grey, RGB or RGBA whatever is stored.
void ask_for_bytes(png_structp png, png_infop info) {
  png_set_expand(png);    // palettes, fewer than 8 bits, transparent colours
  png_set_strip_16(png);  // the high byte, as Pillow takes it
  const auto type = png_get_color_type(png, info);
  const bool alpha =
      (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  if (alpha) png_set_gray_to_rgb(png);  // Image knows no grey with alpha
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

int orientation_of(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &size, &exif) == 0) return 1;
  return exif_orientation(std::as_bytes(std::span(exif, size)));
}

}  // namespace

StoredPicture decode_png(ByteSpan file) {
  // Texts and profiles do not touch the pixels; skipped, they cannot cost memory.
  static constexpr png_byte kSkipped[] = "tEXt\0zTXt\0iTXt\0iCCP";
  constexpr int kSkippedCount = 4;

  Reader reader{.file = file};
  const PngReadStruct reading(reader);
  if (reading.info() == nullptr) throw OutOfMemory("no memory for a PNG reader");
  png_structp png = reading.png();
  png_infop info = reading.info();
  PictureSize size;
  if (!guarded(png, [&] {
        png_set_read_fn(png, &reader, take);
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_size has our own limit
        png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kSkipped, kSkippedCount);
        png_read_info(png, info);
        size = {png_get_image_width(png, info), png_get_image_height(png, info)};
      })) {
    fail(reader);
  }
  check_size("PNG", size);

  int64_t channels = 0;
  if (!guarded(png, [&] {
        ask_for_bytes(png, info);
        channels = png_get_channels(png, info);
      })) {
    fail(reader);
  }
  StoredPicture picture{
      .image = {.width = size.width, .height = size.height, .channels = channels, .pixels = {}}};
  const auto stride = static_cast<std::size_t>(size.width * channels);
  picture.image.pixels.resize(stride * static_cast<std::size_t>(size.height));
  std::vector<png_bytep> rows(static_cast<std::size_t>(size.height));
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = picture.image.pixels.data() + y * stride;
  if (!guarded(png, [&] {
        png_read_image(png, rows.data());
        png_read_end(png, info);
      })) {
    fail(reader);
  }
  picture.orientation = orientation_of(png, info);
  return picture;
}

}  // namespace sd
