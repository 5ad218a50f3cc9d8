#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sd/image/label.h"

namespace sd {

/// A stretch of a line, all of it marked or none.
struct TextRun {
  std::string text;
  bool marked = false;
};

using TextLine = std::vector<TextRun>;

/// Pixels from the start of a line to its end.
int64_t line_width(const TextLine& line);

/// The width of a label's widest line where nothing needs to be broken.
int64_t natural_width(const Label& label);

/// A label in lines of at most `width` pixels, by the rules of Label; none where not even an
/// ellipsis fits. Words that are wider than a line are broken between characters.
std::vector<TextLine> lines_of(const Label& label, int64_t width);

/// Draws lines one below the other, each in the middle of `width` pixels, the first one's upper
/// edge at `y`.
void draw_lines(Image& image, int64_t x, int64_t y, int64_t width,
                const std::vector<TextLine>& lines);

}  // namespace sd
