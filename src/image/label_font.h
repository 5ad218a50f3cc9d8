#pragma once

#include <cstdint>
#include <map>

#include "image/bytes.h"

namespace sd {

/// A letter's bitmap and where it stands, in pixels.
struct Glyph {
  int64_t advance = 0;  // from this pen position to the next
  int64_t left = 0;     // of the bitmap, from the pen
  int64_t top = 0;      // from the top of the line
  int64_t width = 0;
  int64_t height = 0;
  ByteSpan coverage;  // [height*width]
};

/// The font of assets/font/labels.glyphs, compiled in; scripts/make_label_font.py describes the
/// format.
class LabelFont {
 public:
  static const LabelFont& instance();

  /// A blank for control characters, a box for what the font lacks.
  const Glyph& glyph(char32_t code) const;
  int64_t line_height() const { return line_height_; }

 private:
  explicit LabelFont(ByteSpan file);

  int64_t line_height_ = 0;
  std::map<char32_t, Glyph> glyphs_;
};

}  // namespace sd
