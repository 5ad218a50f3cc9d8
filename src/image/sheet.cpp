#include <fmt/format.h>

#include <algorithm>

#include "image/checks.h"
#include "image/label_lines.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/label.h"

namespace sd {
namespace {

constexpr int64_t kGap = 8;          // around and between cells
constexpr int64_t kTextPadding = 3;  // above and below a text
constexpr int64_t kLegible = 112;    // room for a long word, about 15 letters
constexpr int64_t kRowLabel = 200;   // at most, so that a prompt leaves room for pictures

/// Of a strip that holds so many lines; one at least.
int64_t strip_height(std::size_t lines) {
  return static_cast<int64_t>(std::max<std::size_t>(lines, 1)) * text_height() + 2 * kTextPadding;
}

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

int64_t widest(const std::vector<Label>& labels) {
  int64_t width = 0;
  for (const auto& label : labels) width = std::max(width, natural_width(label));
  return width;
}

/// Most lines that one of the labels takes.
std::size_t most_lines(const std::vector<Label>& labels, int64_t width) {
  std::size_t most = 0;
  for (const auto& label : labels) most = std::max(most, lines_of(label, width).size());
  return most;
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
  int64_t header = 0;  // height of the strip with the columns' labels

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

void check_labels(const std::vector<Label>& labels, int64_t expected, std::string_view what) {
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

  std::vector<Label> captions;
  for (const auto& cell : cells) captions.push_back(cell.caption);
  const int64_t wish = std::max(widest(captions), widest(labels.columns));
  layout.cell.width = std::max(layout.picture.width, std::min(wish, kLegible));
  layout.cell.height = layout.picture.height;
  if (widest(captions) > 0)
    layout.cell.height += strip_height(most_lines(captions, layout.cell.width));
  layout.left = kGap;
  if (!labels.rows.empty()) {
    const int64_t room = std::min(widest(labels.rows), kRowLabel);
    layout.left += room + kGap;
    layout.cell.height = std::max(
        layout.cell.height, static_cast<int64_t>(most_lines(labels.rows, room)) * text_height());
  }
  layout.header =
      labels.columns.empty() ? 0 : strip_height(most_lines(labels.columns, layout.cell.width));
  layout.top = kGap + layout.header;
  return layout;
}

void draw_labels(Image& sheet, const Layout& layout, const SheetLabels& labels) {
  for (std::size_t i = 0; i < labels.columns.size(); ++i) {
    // At the foot of the strip, beside the pictures.
    const auto lines = lines_of(labels.columns[i], layout.cell.width);
    draw_lines(sheet, layout.x(static_cast<int64_t>(i)),
               layout.top + kTextPadding - strip_height(lines.size()), layout.cell.width, lines);
  }
  const int64_t room = layout.left - 2 * kGap;
  for (std::size_t i = 0; i < labels.rows.size(); ++i) {
    const auto lines = lines_of(labels.rows[i], room);
    const auto height = static_cast<int64_t>(lines.size()) * text_height();
    const int64_t middle = layout.y(static_cast<int64_t>(i)) + layout.picture.height / 2;
    draw_lines(sheet, kGap, std::max(layout.y(static_cast<int64_t>(i)), middle - height / 2), room,
               lines);
  }
}

}  // namespace

Image captioned(const Image& image, const Label& caption) {
  const auto picture = to_rgb(image);
  const auto lines = lines_of(caption, picture.width);
  auto strip =
      white(picture.width, picture.height + strip_height(lines.size()), "picture with caption");
  place(picture, 0, 0, strip);
  draw_lines(strip, 0, picture.height + kTextPadding, picture.width, lines);
  return strip;
}

Image with_key(const Image& image, std::string_view low, const Image& key, std::string_view high) {
  const auto picture = to_rgb(image), bar = to_rgb(key);
  const int64_t height = std::max(text_height(), bar.height) + 2 * kTextPadding;
  const int64_t width = text_width(low) + text_width(high) + bar.width + 2 * kGap;
  auto strip =
      white(std::max(picture.width, width), picture.height + height, "picture with a colour bar");
  place(picture, (strip.width - picture.width) / 2, 0, strip);
  const int64_t middle = picture.height + height / 2;
  int64_t x = (strip.width - width) / 2;
  draw_text(strip, x, middle - text_height() / 2, low);
  x += text_width(low) + kGap;
  place(bar, x, middle - bar.height / 2, strip);
  draw_text(strip, x + bar.width + kGap, middle - text_height() / 2, high);
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
    draw_lines(sheet, x, y + layout.picture.height + kTextPadding, layout.cell.width,
               lines_of(cells[i].caption, layout.cell.width));
  }
  return sheet;
}

}  // namespace sd
