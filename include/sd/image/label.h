#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sd/image/image.h"

namespace sd {

// Text is UTF-8, drawn left to right on one line in DejaVu Sans at 14 pixels (assets/font/): Latin,
// Greek, Cyrillic. Other characters are boxes, control characters blanks, broken bytes U+FFFD.
// Characters are not combined: text in normalisation form C looks as it should.

struct Colour {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
};

/// Pixels from the start of `text` to the start of what would follow.
int64_t text_width(std::string_view text);

/// Pixels from one line to the next.
int64_t text_height();

/// `text` if it is at most `width` pixels wide, else as much of its beginning as fits before "…";
/// empty if not even that fits.
std::string shortened_text(std::string_view text, int64_t width);

/// Blends `text` into `image`, its line's upper left corner at (x, y); what lies outside is cut
/// off. A grey picture gets the colour's luma; alpha becomes opaque under the letters. Throws
/// UsageError if the picture contradicts itself.
void draw_text(Image& image, int64_t x, int64_t y, std::string_view text, Colour colour = {});

/// The picture as RGB (to_rgb) with `caption`, shortened to its width, centred in a white strip
/// below. Throws UsageError beyond kMaxPixels.
Image captioned(const Image& image, std::string_view caption);

struct LabelledImage {
  Image image;  // without pixels (width 0): the cell stays white
  std::string caption;
};

/// Texts left of the rows and above the columns of a sheet; none if empty.
struct SheetLabels {
  std::vector<std::string> rows;
  std::vector<std::string> columns;
};

/// Pictures of one size in rows of `columns` (never more than there are cells) on white, as RGB,
/// each with its caption below; no space is taken where no cell has one. Cells of small pictures
/// are as wide as their captions need, up to 112 pixels; longer texts are shortened. For contact
/// sheets, timelines, sweeps. Throws UsageError if there is no picture, sizes differ, columns < 1,
/// labels are not as many as rows and columns, or the sheet exceeds kMaxPixels.
Image labelled_sheet(const std::vector<LabelledImage>& cells, int64_t columns,
                     const SheetLabels& labels = {});

}  // namespace sd
