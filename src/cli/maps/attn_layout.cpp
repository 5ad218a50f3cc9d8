// Where the pictures of a grid lie that maps are laid over.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/maps/attn_from.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr int64_t kBorder = 2;     // make_grid's, black
constexpr int64_t kGap = 8;        // labelled_sheet's, white
constexpr int64_t kSideStep = 64;  // sides of drawn pictures are multiples of it,
constexpr int64_t kLatent = 8;     // and those of other programs of this
constexpr uint8_t kDark = 40;      // what a lossy file makes of black, at most
constexpr uint8_t kLight = 215;    // and of white, at least

/// Drawn pictures have sides that a grid's could only have by chance.
bool is_side(int64_t side, int64_t step) { return side > 0 && side % step == 0; }

/// Whether every pixel of row `y` is at most, or at least, so bright.
bool is_uniform(const Image& picture, int64_t y, uint8_t least, uint8_t most) {
  const int64_t colours = std::min<int64_t>(picture.channels, 3);
  for (int64_t x = 0; x < picture.width; ++x) {
    const auto at = static_cast<std::size_t>((y * picture.width + x) * picture.channels);
    for (int64_t c = 0; c < colours; ++c) {
      const uint8_t level = picture.pixels[at + static_cast<std::size_t>(c)];
      if (level < least || level > most) return false;
    }
  }
  return true;
}

/// Rows and columns of pictures of one size at even distances.
struct Lattice {
  int64_t columns = 0;
  int64_t rows = 0;
  int64_t left = 0;  // of the first picture
  int64_t top = 0;
  int64_t step_x = 0;
  int64_t step_y = 0;
  int64_t width = 0;
  int64_t height = 0;

  GridLayout layout() const {
    GridLayout layout{{}, width, height};
    for (int64_t i = 0; i < rows * columns; ++i) {
      layout.cells.push_back({left + i % columns * step_x, top + i / columns * step_y});
    }
    return layout;
  }
};

/// `count` pictures of the maps' aspect side by side, nothing between them.
std::optional<Lattice> in_a_row(const Image& picture, const SavedSum& sum, int64_t count) {
  const bool fits = picture.width % count == 0 &&
                    picture.width / count * sum.height == picture.height * sum.width;
  if (!fits) return std::nullopt;
  const int64_t width = picture.width / count;
  return Lattice{count, 1, 0, 0, width, picture.height, width, picture.height};
}

/// As make_grid places them.
std::optional<Lattice> with_borders(const Image& picture, const SavedSum& sum, int64_t step) {
  if (picture.height < 1 || !is_uniform(picture, 0, 0, kDark)) return std::nullopt;
  for (int64_t columns = 1; columns * (step + kBorder) < picture.width; ++columns) {
    if ((picture.width - kBorder) % columns != 0) continue;
    const int64_t width = (picture.width - kBorder) / columns - kBorder;
    const int64_t height = width * sum.height / sum.width;
    const bool fits = is_side(width, step) && is_side(height, step) &&
                      width * sum.height == height * sum.width &&
                      (picture.height - kBorder) % (height + kBorder) == 0;
    if (!fits) continue;
    const int64_t rows = (picture.height - kBorder) / (height + kBorder);
    if (rows * columns < sum.samples) continue;
    return Lattice{columns,          rows,  kBorder, kBorder, width + kBorder,
                   height + kBorder, width, height};
  }
  return std::nullopt;
}

/// Whether `rows` rows of pictures can stand at even distances on a white sheet.
bool is_ruled(const Image& picture, int64_t rows, int64_t height) {
  const int64_t step = (picture.height - kGap) / rows;
  if ((picture.height - kGap) % rows != 0 || step < height + kGap) return false;
  for (int64_t row = 0; row <= rows; ++row) {
    for (int64_t y = row * step; y < row * step + kGap; ++y) {
      if (!is_uniform(picture, y, kLight, 255)) return false;
    }
  }
  return true;
}

/// As labelled_sheet places them: captions below, white between.
std::optional<Lattice> with_captions(const Image& picture, const SavedSum& sum, int64_t step) {
  for (int64_t columns = 1; columns * (step + kGap) < picture.width; ++columns) {
    if ((picture.width - kGap) % columns != 0) continue;
    const int64_t width = (picture.width - kGap) / columns - kGap;
    const int64_t height = width * sum.height / sum.width;
    if (!is_side(width, step) || !is_side(height, step) || width * sum.height != height * sum.width)
      continue;
    // Captions are lower than pictures: of two answers the one with more rows is right.
    for (int64_t rows = (picture.height - kGap) / (height + kGap); rows > 0; --rows) {
      if (rows * columns < sum.samples || !is_ruled(picture, rows, height)) continue;
      const int64_t step_y = (picture.height - kGap) / rows;
      return Lattice{columns, rows, kGap, kGap, width + kGap, step_y, width, height};
    }
  }
  return std::nullopt;
}

}  // namespace

GridLayout find_grid(const Image& picture, const SavedSum& sum) {
  if (sum.samples == 1) {
    if (const auto one = in_a_row(picture, sum, 1)) return one->layout();
  }
  for (const int64_t step : {kSideStep, kLatent}) {
    if (const auto found = with_borders(picture, sum, step)) return found->layout();
    if (const auto found = with_captions(picture, sum, step)) return found->layout();
  }
  for (const int64_t count : {sum.samples, int64_t{1}}) {
    if (const auto found = in_a_row(picture, sum, count)) return found->layout();
  }
  throw UsageError(
      fmt::format("--img: {} x {} pixels are no grid of {} picture(s) shaped like maps of {} x {}\n"
                  "Give the picture or grid that the maps were saved with.",
                  picture.width, picture.height, sum.samples, sum.width, sum.height));
}

}  // namespace sd::cli
