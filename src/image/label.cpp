#include "sd/image/label.h"

#include <algorithm>
#include <array>

#include "image/checks.h"
#include "image/label_font.h"
#include "image/unicode.h"
#include "sd/image/fit.h"

namespace sd {
namespace {

constexpr std::string_view kEllipsis = "…";

uint8_t blended(uint8_t below, uint8_t above, int coverage) {
  return static_cast<uint8_t>((below * (255 - coverage) + above * coverage + 127) / 255);
}

/// Blends what lies inside the picture of one glyph whose bitmap begins at (x, y).
void draw_glyph(Image& image, int64_t x, int64_t y, const Glyph& glyph,
                const std::array<uint8_t, 4>& colour) {
  const int64_t left = std::max<int64_t>(0, -x);
  const int64_t right = std::min(glyph.width, image.width - x);
  const int64_t top = std::max<int64_t>(0, -y);
  const int64_t bottom = std::min(glyph.height, image.height - y);
  for (int64_t row = top; row < bottom; ++row) {
    for (int64_t column = left; column < right; ++column) {
      const auto coverage = std::to_integer<int>(
          glyph.coverage[static_cast<std::size_t>(row * glyph.width + column)]);
      const auto pixel =
          image.pixels.begin() + ((y + row) * image.width + x + column) * image.channels;
      for (int64_t c = 0; c < image.channels; ++c) {
        pixel[c] = blended(pixel[c], colour[static_cast<std::size_t>(c)], coverage);
      }
    }
  }
}

}  // namespace

int64_t text_width(std::string_view text) {
  int64_t width = 0;
  for (const auto& [code, end] : decode_text(text)) {
    width += LabelFont::instance().glyph(code).advance;
  }
  return width;
}

int64_t text_height() { return LabelFont::instance().line_height(); }

std::string shortened_text(std::string_view text, int64_t width) {
  if (text_width(text) <= width) return std::string(text);
  int64_t used = text_width(kEllipsis);
  if (used > width) return "";
  std::size_t kept = 0;
  for (const auto& [code, end] : decode_text(text)) {
    used += LabelFont::instance().glyph(code).advance;
    if (used > width) break;
    if (code != U' ') kept = end;  // no blank before the ellipsis
  }
  return std::string(text.substr(0, kept)) + std::string(kEllipsis);
}

void draw_text(Image& image, int64_t x, int64_t y, std::string_view text, Colour colour) {
  check_picture(image, "picture to label");
  // So far out nothing is seen, and sums below cannot overflow.
  constexpr int64_t kFar = int64_t{1} << 40;
  if (std::min(x, y) < -kFar || std::max(x, y) > kFar) return;
  std::array<uint8_t, 4> levels = {colour.red, colour.green, colour.blue, 255};
  if (image.channels == 1) {
    levels[0] = to_gray({1, 1, 3, {colour.red, colour.green, colour.blue}}).pixels[0];
  }
  for (const auto& [code, end] : decode_text(text)) {
    const auto& glyph = LabelFont::instance().glyph(code);
    draw_glyph(image, x + glyph.left, y + glyph.top, glyph, levels);
    x += glyph.advance;
  }
}

}  // namespace sd
