// stb_image for the formats that no library of ours reads. All of it is private to this file.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_PSD
#define STBI_ONLY_TGA
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#pragma GCC diagnostic pop

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "image/decoders.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// The file as stb_image reads it. stb_image takes zeros where a file ends too early, so reads past
/// the end are noted.
struct Source {
  ByteSpan file;
  std::size_t at = 0;
  const char* look_ahead =
      nullptr;  // stb_image's own buffer: it fills that as far as there is something
  bool past_end = false;
};

int read_source(void* user, char* out, int size) {
  auto& source = *static_cast<Source*>(user);
  const auto wanted = static_cast<std::size_t>(std::max(size, 0));
  const auto count = std::min(wanted, source.file.size() - source.at);
  if (source.look_ahead == nullptr) source.look_ahead = out;  // its first read fills the buffer
  if (count == 0 || (count < wanted && out != source.look_ahead)) source.past_end = true;
  std::memcpy(out, source.file.data() + source.at, count);
  source.at += count;
  return static_cast<int>(count);
}

void skip_source(void* user, int count) {
  auto& source = *static_cast<Source*>(user);
  const auto left = source.file.size() - source.at;
  const auto wanted = static_cast<std::size_t>(std::max(count, 0));
  if (wanted > left) source.past_end = true;
  source.at += std::min(wanted, left);
}

int source_ended(void* user) {
  const auto& source = *static_cast<Source*>(user);
  return source.at == source.file.size() ? 1 : 0;
}

constexpr stbi_io_callbacks kCallbacks{read_source, skip_source, source_ended};

[[noreturn]] void fail(PictureFormat format, const Source& source) {
  if (source.past_end) {
    throw IoError(fmt::format("{} is cut short: it goes on after its {} bytes", format_name(format),
                              source.file.size()));
  }
  throw IoError(fmt::format("{} is damaged or of a kind that is not read: {}", format_name(format),
                            stbi_failure_reason()));
}

struct Stored {
  PictureSize size;
  int channels;  // 1, 3 or 4
};

Stored read_header(ByteSpan file, PictureFormat format) {
  Source source{.file = file};
  int width = 0;
  int height = 0;
  int channels = 0;
  const bool read = stbi_info_from_callbacks(&kCallbacks, &source, &width, &height, &channels) != 0;
  if (!read || source.past_end) fail(format, source);
  check_size(format_name(format), {width, height});
  if (channels == 2) channels = 4;  // Image knows no grey with alpha
  // stb_image always speaks of four for PSD, whose header tells them at byte 12.
  if (format == PictureFormat::kPsd && read_unsigned(file, 12, 2, true) == 3u) channels = 3;
  return {{width, height}, channels};
}

}  // namespace

PictureSize size_by_stb(ByteSpan file, PictureFormat format) {
  return read_header(file, format).size;
}

Image decode_by_stb(ByteSpan file, PictureFormat format) {
  const auto stored = read_header(file, format);
  Source source{.file = file};
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_callbacks(&kCallbacks, &source, &width, &height, &channels, stored.channels),
      stbi_image_free);
  if (!pixels || source.past_end) fail(format, source);
  const auto count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                     static_cast<std::size_t>(stored.channels);
  return {width, height, stored.channels, std::vector<uint8_t>(pixels.get(), pixels.get() + count)};
}

}  // namespace sd
