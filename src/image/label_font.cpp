#include "image/label_font.h"

#include <vector>

extern "C" {
extern const std::byte sd_label_glyphs_begin[];  // label_font.S
extern const std::byte sd_label_glyphs_end[];
}

namespace sd {
namespace {

constexpr std::size_t kHeadBytes = 12;
constexpr std::size_t kRecordBytes = 9;

}  // namespace

// The file is part of the program: value() throws if its build went wrong.
LabelFont::LabelFont(ByteSpan file) {
  const auto number = [&](std::size_t at, std::size_t bytes) {
    return read_unsigned(file, at, bytes, false).value();
  };
  line_height_ = number(8, 2);
  const std::size_t count = number(10, 2);
  std::size_t bitmap = kHeadBytes + count * kRecordBytes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = kHeadBytes + i * kRecordBytes;
    Glyph glyph;
    glyph.advance = number(at + 4, 1);
    glyph.left = static_cast<int8_t>(number(at + 5, 1));
    glyph.top = number(at + 6, 1);
    glyph.width = number(at + 7, 1);
    glyph.height = number(at + 8, 1);
    const auto size = static_cast<std::size_t>(glyph.width * glyph.height);
    glyph.coverage = slice(file, bitmap, size).value();
    bitmap += size;
    glyphs_.emplace(number(at, 4), glyph);
  }
}

const LabelFont& LabelFont::instance() {
  static const LabelFont font(
      {sd_label_glyphs_begin,
       static_cast<std::size_t>(sd_label_glyphs_end - sd_label_glyphs_begin)});
  return font;
}

const Glyph& LabelFont::glyph(char32_t code) const {
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  const auto found = glyphs_.find(control ? U' ' : code);
  return found != glyphs_.end() ? found->second : glyphs_.at(0);
}

}  // namespace sd
