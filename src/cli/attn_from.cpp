#include "cli/attn_from.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <system_error>

#include "cli/output_folder.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/heatmap.h"
#include "sd/image/png.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBorder = 2;     // make_grid's
constexpr int64_t kSideStep = 64;  // sides of drawn pictures are multiples of it
constexpr std::size_t kDigits = 4;

Image cut_out(const Image& image, int64_t left, int64_t top, int64_t width, int64_t height) {
  Image part{width, height, image.channels, {}};
  for (int64_t y = top; y < top + height; ++y) {
    const auto row = image.pixels.begin() + (y * image.width + left) * image.channels;
    part.pixels.insert(part.pixels.end(), row, row + width * image.channels);
  }
  return part;
}

void put_back(const Image& part, int64_t left, int64_t top, Image& image) {
  for (int64_t y = 0; y < part.height; ++y) {
    const auto row = part.pixels.begin() + y * part.width * part.channels;
    std::copy(row, row + part.width * part.channels,
              image.pixels.begin() + ((top + y) * image.width + left) * image.channels);
  }
}

/// One sample's map over its picture.
Image over(const Image& picture, std::span<const float> map, const SavedSum& sum,
           const AttnOptions& options) {
  const auto large =
      resize_map(map, sum.height, sum.width, picture.height, picture.width, Filter::kBicubic);
  const auto values = options.norm == AttnNorm::kMinMax ? minmax(large) : by_maximum(large);
  return overlay(picture, colorize(values, picture.height, picture.width, options.colormap),
                 options.alpha);
}

/// Drawn pictures have sides that a grid's could only have by chance.
bool is_side(int64_t side) { return side > 0 && side % kSideStep == 0; }

fs::path write_next(const fs::path& folder, const std::string& prefix, const Image& image) {
  make_writable_folder(folder);
  const auto png = encode_png(image);
  for (int64_t number = next_number(folder, prefix, kDigits);; ++number) {
    const auto path = folder / fmt::format("{}{:0{}}.png", prefix, number, kDigits);
    std::error_code ignored;
    if (fs::exists(path, ignored)) continue;
    try {
      write_file(path, png);
      return path;
    } catch (const IoError&) {
      if (!fs::exists(path, ignored)) throw;  // else another process took the name
    }
  }
}

}  // namespace

GridLayout find_grid(const Image& picture, const SavedSum& sum) {
  if (sum.samples == 1 && picture.width * sum.height == picture.height * sum.width) {
    return {1, 0, picture.width, picture.height};
  }
  for (int64_t columns = 1; columns * (kSideStep + kBorder) < picture.width; ++columns) {
    if ((picture.width - kBorder) % columns != 0) continue;
    const int64_t width = (picture.width - kBorder) / columns - kBorder;
    const int64_t height = width * sum.height / sum.width;
    const bool fits = is_side(width) && is_side(height) &&
                      width * sum.height == height * sum.width &&
                      (picture.height - kBorder) % (height + kBorder) == 0;
    if (!fits) continue;
    const int64_t rows = (picture.height - kBorder) / (height + kBorder);
    if (rows * columns >= sum.samples) return {columns, kBorder, width, height};
  }
  throw UsageError(
      fmt::format("--img: {} x {} pixels are no grid of {} picture(s) shaped like maps of {} x {}\n"
                  "Give the picture or grid that the maps were saved with.",
                  picture.width, picture.height, sum.samples, sum.width, sum.height));
}

Image draw_saved(const Image& given, const SavedSum& sum, const AttnOptions& options) {
  const auto grid = find_grid(given, sum);
  Image picture = to_rgb(given);
  const auto size = static_cast<std::size_t>(sum.height * sum.width);
  for (int64_t i = 0; i < sum.samples; ++i) {
    const int64_t left = grid.border + i % grid.columns * (grid.width + grid.border);
    const int64_t top = grid.border + i / grid.columns * (grid.height + grid.border);
    const auto map = std::span(sum.values).subspan(static_cast<std::size_t>(i) * size, size);
    const auto part = cut_out(picture, left, top, grid.width, grid.height);
    put_back(over(part, map, sum, options), left, top, picture);
  }
  return picture;
}

fs::path draw_from(const AttnFromOptions& from, const AttnOptions& options,
                   const fs::path& outdir) {
  if (!from.image)
    throw UsageError("--from: give the picture or grid that belongs to it: --img FILE");
  auto choice = from.choice;
  if (from.is_mid) {
    choice.first_level = choice.last_level = 1;
    choice.resolution = 0;
  }
  const auto sum = sum_saved_maps(list_saved_maps(*from.from), choice);
  const auto drawn = draw_saved(read_image(*from.image), sum, options);
  return write_next(outdir, fmt::format("token{:03}_res{:03}-", choice.token, sum.resolution),
                    drawn);
}

}  // namespace sd::cli
