#include "sd/image/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "image/bytes.h"
#include "image/checks.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/png.h"

namespace sd {
namespace {

/// RFC 4648, section 4.
std::string base64(ByteSpan bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? std::to_integer<uint32_t>(bytes[at + i]) : 0);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

/// Transmits and shows a PNG (a=T, f=100) that takes the place of the picture of the same number
/// (i, p), without an answer (q=2) and without moving the cursor (C=1). Pieces of 4096 characters
/// are the most that the protocol allows.
std::string kitty(const std::string& png, int64_t rows) {
  constexpr std::size_t kPiece = 4096;
  constexpr int kNumber = 7301;  // any, unlikely to be another program's
  std::string out;
  for (std::size_t at = 0; at < png.size(); at += kPiece) {
    const auto first =
        at == 0 ? fmt::format("a=T,f=100,i={},p=1,q=2,C=1,r={},", kNumber, rows) : std::string();
    out += fmt::format("\x1b_G{}m={};{}\x1b\\", first, at + kPiece < png.size() ? 1 : 0,
                       std::string_view(png).substr(at, kPiece));
  }
  return out;
}

std::string iterm(const std::string& png, std::size_t bytes, int64_t rows) {
  return fmt::format("\x1b]1337;File=inline=1;size={};height={};preserveAspectRatio=1:{}\x07",
                     bytes, rows, png);
}

constexpr int kLevels = 6;  // of red, green and blue
constexpr std::size_t kColours = kLevels * kLevels * kLevels;
constexpr int64_t kBand = 6;  // rows of pixels in a sixel

/// The place of each pixel's colour in a cube of kLevels³, red slowest. An ordered pattern of 2x2
/// thresholds hides the steps between the levels.
std::vector<uint8_t> to_palette(const Image& rgb) {
  constexpr std::array<std::array<int, 2>, 2> kThresholds = {{{1, 5}, {7, 3}}};  // of 8
  std::vector<uint8_t> indices;
  indices.reserve(rgb.pixels.size() / 3);
  for (int64_t y = 0; y < rgb.height; ++y) {
    for (int64_t x = 0; x < rgb.width; ++x) {
      const int threshold =
          kThresholds[static_cast<std::size_t>(y % 2)][static_cast<std::size_t>(x % 2)];
      const auto* pixel = rgb.pixels.data() + (y * rgb.width + x) * 3;
      int index = 0;
      for (int c = 0; c < 3; ++c) {
        index = index * kLevels + (pixel[c] * (kLevels - 1) * 8 + threshold * 255) / (255 * 8);
      }
      indices.push_back(static_cast<uint8_t>(index));
    }
  }
  return indices;
}

/// A character `count` times; from four on "!count" is shorter.
void append_run(std::string& out, char sixel, int64_t count) {
  if (count > 3) {
    out += fmt::format("!{}{}", count, sixel);
  } else {
    out.append(static_cast<std::size_t>(count), sixel);
  }
}

/// One colour of the band of rows that begins at `top`: for each column a character whose bits say
/// which of its pixels have the colour.
void append_colour(std::string& out, const std::vector<uint8_t>& indices, const Image& picture,
                   int64_t top, std::size_t colour) {
  const int64_t rows = std::min(kBand, picture.height - top);
  char pending = 0;
  int64_t count = 0;
  for (int64_t x = 0; x < picture.width; ++x) {
    int bits = 0;
    for (int64_t row = 0; row < rows; ++row) {
      const auto at = static_cast<std::size_t>((top + row) * picture.width + x);
      if (indices[at] == colour) bits |= 1 << row;
    }
    const auto sixel = static_cast<char>('?' + bits);
    if (sixel != pending) {
      append_run(out, pending, count);
      pending = sixel;
      count = 0;
    }
    ++count;
  }
  append_run(out, pending, count);
}

/// DEC's sixels (VT330/VT340 programmer reference, chapter 14); colours are told in percent.
std::string sixel(const Image& rgb) {
  const auto indices = to_palette(rgb);
  std::array<bool, kColours> used{};
  for (const auto index : indices) used[index] = true;
  std::string out = fmt::format("\x1bP0;1;0q\"1;1;{};{}", rgb.width, rgb.height);
  constexpr std::size_t kPercent = 100 / (kLevels - 1);
  for (std::size_t i = 0; i < kColours; ++i) {
    if (!used[i]) continue;
    out += fmt::format("#{};2;{};{};{}", i, i / (kLevels * kLevels) * kPercent,
                       i / kLevels % kLevels * kPercent, i % kLevels * kPercent);
  }
  for (int64_t top = 0; top < rgb.height; top += kBand) {
    std::array<bool, kColours> in_band{};
    const auto first = static_cast<std::size_t>(top * rgb.width);
    const auto last = static_cast<std::size_t>(std::min(top + kBand, rgb.height) * rgb.width);
    for (std::size_t i = first; i < last; ++i) in_band[indices[i]] = true;
    for (std::size_t colour = 0; colour < kColours; ++colour) {
      if (!in_band[colour]) continue;
      out += fmt::format("#{}", colour);
      append_colour(out, indices, rgb, top, colour);
      out += '$';  // back to the beginning of the band
    }
    out += '-';  // to the next one
  }
  return out + "\x1b\\";
}

}  // namespace

std::string terminal_picture(TerminalGraphics graphics, const Image& image, int64_t rows) {
  check_picture(image, "a picture for the terminal");
  if (rows < 1) throw UsageError(fmt::format("a picture in {} lines of text", rows));
  if (graphics == TerminalGraphics::kSixel) return sixel(to_rgb(image));
  const auto png = encode_png(image);
  if (graphics == TerminalGraphics::kKitty) return kitty(base64(png), rows);
  return iterm(base64(png), png.size(), rows);
}

}  // namespace sd
