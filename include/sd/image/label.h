#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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

/// A stretch of a text, in bytes [begin, end), that tells it from others beside it.
struct TextMark {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A text of a sheet in as many lines as it needs, broken at blanks and where it says so (\n).
/// Marked stretches are coloured and underlined. A text of more than six lines is shortened. Marks
/// are what a text is there for: if it has any, it is shortened between them, else at its end.
struct Label {
  Label() = default;
  Label(std::string label_text, std::vector<TextMark> label_marks = {})  // NOLINT: a text is one
      : text(std::move(label_text)), marks(std::move(label_marks)) {}
  Label(const char* label_text) : text(label_text) {}  // NOLINT

  std::string text;
  std::vector<TextMark> marks;  // ascending, apart
};

/// The picture as RGB (to_rgb) with `caption`, in lines of its width, centred in a white strip
/// below. Throws UsageError beyond kMaxPixels.
Image captioned(const Image& image, const Label& caption);

/// The picture as RGB over a white strip with `key`, such as a colour bar, between what its two
/// ends stand for, all in the middle. Throws UsageError beyond kMaxPixels.
Image with_key(const Image& image, std::string_view low, const Image& key, std::string_view high);

struct LabelledImage {
  Image image;  // without pixels (width 0): the cell stays white
  Label caption;
};

/// Texts left of the rows and above the columns of a sheet; none if empty.
struct SheetLabels {
  std::vector<Label> rows;
  std::vector<Label> columns;
};

/// Pictures of one size in rows of `columns` (never more than there are cells) on white, as RGB,
/// each with its caption below; no space is taken where no cell has one. Cells of small pictures
/// are as wide as their captions need, up to 112 pixels; longer texts take several lines. For
/// contact sheets, timelines, sweeps. Throws UsageError if there is no picture, sizes differ,
/// columns < 1, labels are not as many as rows and columns, or the sheet exceeds kMaxPixels.
Image labelled_sheet(const std::vector<LabelledImage>& cells, int64_t columns,
                     const SheetLabels& labels = {});

}  // namespace sd
