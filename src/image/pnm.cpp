#include <fmt/format.h>

#include <charconv>

#include "image/decoders.h"
#include "sd/core/error.h"

namespace sd {
namespace {

// stb_image 2.27 takes the low byte of 16-bit samples and does not scale by the largest value, so
// this is our own.
struct PnmHeader {
  PictureSize size;
  int64_t channels = 0;
  int64_t largest = 0;     // value of a sample at full brightness
  std::size_t pixels = 0;  // where they begin
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// The next number of the header at or after `at`, behind blanks and comments; `at` moves behind
/// it.
int64_t take_number(std::string_view text, std::size_t& at) {
  while (at < text.size() && (is_space(text[at]) || text[at] == '#')) {
    at = text[at] == '#' ? std::min(text.find('\n', at), text.size()) : at + 1;
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > INT32_MAX) {
    throw IoError(at == text.size()
                      ? std::string("PNM is cut short: its header does not end")
                      : fmt::format("PNM is damaged: expected a number at byte {}", at));
  }
  at = static_cast<std::size_t>(end - text.data());
  return value;
}

PnmHeader read_header(ByteSpan file) {
  const auto text = text_of(file);
  PnmHeader header;
  header.channels = text[1] == '6' ? 3 : 1;
  std::size_t at = 2;
  header.size.width = take_number(text, at);
  header.size.height = take_number(text, at);
  header.largest = take_number(text, at);
  check_size("PNM", header.size);
  if (header.largest < 1 || header.largest > 65535) {
    throw IoError(fmt::format("PNM is damaged: its largest value is {}, expected 1 to 65535",
                              header.largest));
  }
  if (at == text.size() || !is_space(text[at]))
    throw IoError("PNM is cut short: it ends with its header");
  header.pixels = at + 1;
  return header;
}

}  // namespace

PictureSize pnm_size(ByteSpan file) { return read_header(file).size; }

Image decode_pnm(ByteSpan file) {
  const auto header = read_header(file);
  const std::size_t sample_size = header.largest > 255 ? 2 : 1;
  const auto count =
      static_cast<std::size_t>(header.size.width * header.size.height * header.channels);
  const auto samples = slice(file, header.pixels, count * sample_size);
  if (!samples) {
    throw IoError(fmt::format("PNM is cut short: expected {} bytes of pixels, found {}",
                              count * sample_size, file.size() - header.pixels));
  }
  Image image{header.size.width, header.size.height, header.channels, std::vector<uint8_t>(count)};
  const auto largest = static_cast<uint32_t>(header.largest);
  for (std::size_t i = 0; i < count; ++i) {
    const uint32_t value =
        std::min(*read_unsigned(*samples, i * sample_size, sample_size, true), largest);
    image.pixels[i] = static_cast<uint8_t>((value * 255 + largest / 2) / largest);
  }
  return image;
}

}  // namespace sd
