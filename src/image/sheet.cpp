#include <fmt/format.h>

#include <algorithm>

#include "image/checks.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/label.h"

namespace sd {
namespace {

constexpr int64_t kGap = 8;          // around and between cells
constexpr int64_t kTextPadding = 3;  // above and below a text
constexpr int64_t kLegible = 112;    // room for a long word, about 15 letters
constexpr int64_t kRowLabel = 200;   // at most, so that a prompt leaves room for pictures

int64_t strip_height() { return text_height() + 2 * kTextPadding; }

Image white(int64_t width, int64_t height, std::string_view what) {
  check_size(width, height, what);
  return {width, height, 3,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * 3), 255)};
}

void place(const Image& rgb, int64_t left, int64_t top, Image& sheet) {
  for (int64_t y = 0; y < rgb.height; ++y) {
    const auto row = rgb.pixels.begin() + y * rgb.width * 3;
    std::copy(row, row + rgb.width * 3,
              sheet.pixels.begin() + ((top + y) * sheet.width + left) * 3);
  }
}

/// `text`, shortened to `width`, in the middle of the strip of that width at (left, top).
void draw_centred(Image& sheet, int64_t left, int64_t top, int64_t width, std::string_view text) {
  const auto shown = shortened_text(text, width);
  draw_text(sheet, left + (width - text_width(shown)) / 2, top + kTextPadding, shown);
}

int64_t widest(const std::vector<std::string>& texts) {
  int64_t width = 0;
  for (const auto& text : texts) width = std::max(width, text_width(text));
  return width;
}

bool blank(const LabelledImage& cell) { return cell.image.width == 0; }

/// Where things stand, in pixels.
struct Layout {
  int64_t across = 0;  // cells
  int64_t down = 0;
  Size picture;
  Size cell;         // picture and caption
  int64_t left = 0;  // of the first cell: margin and row labels
  int64_t top = 0;

  int64_t x(int64_t column) const { return left + column * (cell.width + kGap); }
  int64_t y(int64_t row) const { return top + row * (cell.height + kGap); }
};

Size common_size(const std::vector<LabelledImage>& cells) {
  Size size;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (blank(cells[i])) continue;
    const auto& image = cells[i].image;
    check_picture(image, fmt::format("picture {} of the sheet", i + 1));
    if (size.width == 0) size = {image.width, image.height};
    if (Size{image.width, image.height} == size) continue;
    throw UsageError(fmt::format(
        "the pictures of a sheet must be alike: number {} has {} x {} pixels, the first {} x {}",
        i + 1, image.width, image.height, size.width, size.height));
  }
  if (size.width == 0) throw UsageError("a sheet needs at least one picture");
  return size;
}

void check_labels(const std::vector<std::string>& labels, int64_t expected, std::string_view what) {
  if (labels.empty() || labels.size() == static_cast<std::size_t>(expected)) return;
  throw UsageError(
      fmt::format("a sheet of {} {} has {} labels for them", expected, what, labels.size()));
}

Layout lay_out(const std::vector<LabelledImage>& cells, int64_t columns,
               const SheetLabels& labels) {
  if (columns < 1) {
    throw UsageError(fmt::format("a sheet needs at least one column, not {}", columns));
  }
  Layout layout;
  layout.picture = common_size(cells);
  const auto count = static_cast<int64_t>(cells.size());
  layout.across = std::min(columns, count);
  layout.down = (count + layout.across - 1) / layout.across;
  check_size(layout.across, layout.down, "cells of a sheet");  // products below cannot overflow
  check_labels(labels.rows, layout.down, "rows");
  check_labels(labels.columns, layout.across, "columns");

  std::vector<std::string> captions;
  for (const auto& cell : cells) captions.push_back(cell.caption);
  const int64_t wish = std::max(widest(captions), widest(labels.columns));
  const bool has_captions = widest(captions) > 0;
  layout.cell = {std::max(layout.picture.width, std::min(wish, kLegible)),
                 layout.picture.height + (has_captions ? strip_height() : 0)};
  layout.left = kGap;
  if (!labels.rows.empty()) layout.left += std::min(widest(labels.rows), kRowLabel) + kGap;
  layout.top = kGap + (labels.columns.empty() ? 0 : strip_height());
  return layout;
}

void draw_labels(Image& sheet, const Layout& layout, const SheetLabels& labels) {
  for (std::size_t i = 0; i < labels.columns.size(); ++i) {
    draw_centred(sheet, layout.x(static_cast<int64_t>(i)), layout.top - strip_height(),
                 layout.cell.width, labels.columns[i]);
  }
  const int64_t room = layout.left - 2 * kGap;
  for (std::size_t i = 0; i < labels.rows.size(); ++i) {
    const auto shown = shortened_text(labels.rows[i], room);
    const int64_t middle = layout.y(static_cast<int64_t>(i)) + layout.picture.height / 2;
    draw_text(sheet, kGap + room - text_width(shown), middle - text_height() / 2, shown);
  }
}

}  // namespace

Image captioned(const Image& image, std::string_view caption) {
  const auto picture = to_rgb(image);
  auto strip = white(picture.width, picture.height + strip_height(), "picture with caption");
  place(picture, 0, 0, strip);
  draw_centred(strip, 0, picture.height, picture.width, caption);
  return strip;
}

Image labelled_sheet(const std::vector<LabelledImage>& cells, int64_t columns,
                     const SheetLabels& labels) {
  const auto layout = lay_out(cells, columns, labels);
  auto sheet = white(layout.x(layout.across), layout.y(layout.down), "sheet of pictures");
  draw_labels(sheet, layout, labels);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t x = layout.x(at % layout.across);
    const int64_t y = layout.y(at / layout.across);
    if (!blank(cells[i])) {
      place(to_rgb(cells[i].image), x + (layout.cell.width - layout.picture.width) / 2, y, sheet);
    }
    draw_centred(sheet, x, y + layout.picture.height, layout.cell.width, cells[i].caption);
  }
  return sheet;
}

}  // namespace sd
