#include <fmt/format.h>

#include <algorithm>

#include "sd/core/error.h"
#include "sd/image/image.h"

namespace sd {
namespace {

constexpr int64_t kPadding = 2;  // torchvision's default

std::string shape_text(const Image& image) {
  return fmt::format("{} x {} pixels with {} channels", image.width, image.height, image.channels);
}

void check_alike(const std::vector<Image>& pictures) {
  const auto& first = pictures.front();
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto& picture = pictures[i];
    const bool same = picture.width == first.width && picture.height == first.height &&
                      picture.channels == first.channels;
    if (!same) {
      throw UsageError(
          fmt::format("the pictures of a grid must be alike: number {} has {}, the first {}", i + 1,
                      shape_text(picture), shape_text(first)));
    }
    const auto expected =
        static_cast<std::size_t>(picture.width * picture.height * picture.channels);
    if (picture.width < 1 || picture.height < 1 || picture.pixels.size() != expected) {
      throw UsageError(fmt::format("picture {} of a grid says {}, but has {} bytes", i + 1,
                                   shape_text(picture), picture.pixels.size()));
    }
  }
}

/// torchvision makes RGB of grey pictures.
Image in_colour(const Image& picture) {
  if (picture.channels != 1) return picture;
  Image colour{picture.width, picture.height, 3, {}};
  colour.pixels.reserve(picture.pixels.size() * 3);
  for (const auto grey : picture.pixels) colour.pixels.insert(colour.pixels.end(), 3, grey);
  return colour;
}

void place(const Image& picture, int64_t left, int64_t top, Image& grid) {
  const int64_t row_bytes = picture.width * picture.channels;
  for (int64_t y = 0; y < picture.height; ++y) {
    const auto row = picture.pixels.begin() + y * row_bytes;
    std::copy(row, row + row_bytes,
              grid.pixels.begin() + ((top + y) * grid.width + left) * grid.channels);
  }
}

}  // namespace

Image make_grid(const std::vector<Image>& pictures, int64_t columns) {
  if (pictures.empty()) throw UsageError("a grid needs at least one picture");
  if (columns < 1)
    throw UsageError(fmt::format("a grid needs at least one column, not {}", columns));
  check_alike(pictures);
  if (pictures.size() == 1) return in_colour(pictures.front());

  const auto count = static_cast<int64_t>(pictures.size());
  const int64_t across = std::min(columns, count);
  const int64_t down = (count + across - 1) / across;
  const int64_t step_x = pictures.front().width + kPadding;
  const int64_t step_y = pictures.front().height + kPadding;
  Image grid{step_x * across + kPadding,
             step_y * down + kPadding,
             std::max<int64_t>(pictures.front().channels, 3),
             {}};
  grid.pixels.resize(static_cast<std::size_t>(grid.width * grid.height * grid.channels));
  for (int64_t i = 0; i < count; ++i) {
    const auto picture = in_colour(pictures[static_cast<std::size_t>(i)]);
    place(picture, i % across * step_x + kPadding, i / across * step_y + kPadding, grid);
  }
  return grid;
}

}  // namespace sd
