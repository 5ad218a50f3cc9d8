#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "image/decoders.h"
#include "sd/core/error.h"

namespace sd {
namespace {

// stb_image 2.27 takes the low byte of 16-bit samples, does not scale by the largest value and
// reads neither bitmaps nor samples in digits, so this is our own.
struct PnmHeader {
  PictureSize size;
  int64_t channels = 0;
  int64_t largest = 0;     // value of a sample at full brightness
  std::size_t pixels = 0;  // where they begin
  bool bitmap = false;     // one bit a sample, where 1 is black
  bool digits = false;     // samples are written in decimal digits
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// What is at or after `at`, behind blanks and comments.
std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (at < text.size() && (is_space(text[at]) || text[at] == '#')) {
    at = text[at] == '#' ? std::min(text.find('\n', at), text.size()) : at + 1;
  }
  return at;
}

/// The next number at or after `at`, behind blanks and comments; `at` moves behind it.
int64_t take_number(std::string_view text, std::size_t& at) {
  at = skip_blanks(text, at);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > INT32_MAX) {
    throw IoError(at == text.size()
                      ? std::string("PNM is cut short: it ends where a number should be")
                      : fmt::format("PNM is damaged: expected a number at byte {}", at));
  }
  at = static_cast<std::size_t>(end - text.data());
  return value;
}

PnmHeader read_header(ByteSpan file) {
  const auto text = text_of(file);
  PnmHeader header;
  const int kind = text[1] - '0';  // P1 to P6: bitmap, grey, colour; in digits, then in bytes
  header.bitmap = kind == 1 || kind == 4;
  header.digits = kind <= 3;
  header.channels = kind % 3 == 0 ? 3 : 1;
  std::size_t at = 2;
  header.size.width = take_number(text, at);
  header.size.height = take_number(text, at);
  header.largest = header.bitmap ? 1 : take_number(text, at);
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

[[noreturn]] void fail_short(std::size_t expected, std::size_t found) {
  throw IoError(
      fmt::format("PNM is cut short: expected {} bytes of pixels, found {}", expected, found));
}

ByteSpan take_pixels(ByteSpan file, const PnmHeader& header, std::size_t bytes) {
  const auto pixels = slice(file, header.pixels, bytes);
  if (!pixels) fail_short(bytes, file.size() - header.pixels);
  return *pixels;
}

uint8_t scaled(uint32_t value, uint32_t largest) {
  return static_cast<uint8_t>((std::min(value, largest) * 255 + largest / 2) / largest);
}

/// Samples in digits, between blanks and comments; those of a bitmap need no blanks.
void read_digits(ByteSpan file, const PnmHeader& header, std::vector<uint8_t>& pixels) {
  const auto text = text_of(file);
  std::size_t at = header.pixels;
  for (auto& pixel : pixels) {
    if (!header.bitmap) {
      pixel = scaled(static_cast<uint32_t>(take_number(text, at)),
                     static_cast<uint32_t>(header.largest));
      continue;
    }
    at = skip_blanks(text, at);
    if (at == text.size()) throw IoError("PNM is cut short: its pixels do not end");
    if (text[at] != '0' && text[at] != '1') {
      throw IoError(fmt::format("PNM is damaged: expected 0 or 1 at byte {}", at));
    }
    pixel = text[at++] == '1' ? 0 : 255;
  }
}

/// Rows of bits, each filled up to whole bytes.
void read_bits(ByteSpan file, const PnmHeader& header, std::vector<uint8_t>& pixels) {
  const auto width = static_cast<std::size_t>(header.size.width);
  const auto height = static_cast<std::size_t>(header.size.height);
  const std::size_t row_bytes = (width + 7) / 8;
  const auto bytes = take_pixels(file, header, row_bytes * height);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      const auto byte = std::to_integer<uint32_t>(bytes[y * row_bytes + x / 8]);
      pixels[y * width + x] = (byte >> (7 - x % 8) & 1) != 0 ? 0 : 255;
    }
  }
}

void read_bytes(ByteSpan file, const PnmHeader& header, std::vector<uint8_t>& pixels) {
  const std::size_t sample_size = header.largest > 255 ? 2 : 1;
  const auto samples = take_pixels(file, header, pixels.size() * sample_size);
  const auto largest = static_cast<uint32_t>(header.largest);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = scaled(*read_unsigned(samples, i * sample_size, sample_size, true), largest);
}

}  // namespace

PictureSize pnm_size(ByteSpan file) { return read_header(file).size; }

Image decode_pnm(ByteSpan file) {
  const auto header = read_header(file);
  const auto count =
      static_cast<std::size_t>(header.size.width * header.size.height * header.channels);
  // Before memory is taken for them: a digit each, and in all but bitmaps a blank between two.
  const std::size_t least = !header.digits  ? header.bitmap ? count / 8 : count
                            : header.bitmap ? count
                                            : 2 * count - 1;
  if (file.size() - header.pixels < least) fail_short(least, file.size() - header.pixels);
  Image image{header.size.width, header.size.height, header.channels, std::vector<uint8_t>(count)};
  const auto read = header.digits ? read_digits : header.bitmap ? read_bits : read_bytes;
  read(file, header, image.pixels);
  return image;
}

}  // namespace sd
