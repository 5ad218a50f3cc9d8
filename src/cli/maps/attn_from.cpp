#include "cli/maps/attn_from.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <system_error>

#include "cli/maps/attn_drawings.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/heatmap.h"
#include "sd/image/metadata.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

Image cut_out(const Image& image, const GridCell& at, int64_t width, int64_t height) {
  Image part{width, height, image.channels, {}};
  for (int64_t y = at.top; y < at.top + height; ++y) {
    const auto row = image.pixels.begin() + (y * image.width + at.left) * image.channels;
    part.pixels.insert(part.pixels.end(), row, row + width * image.channels);
  }
  return part;
}

void put_back(const Image& part, const GridCell& at, Image& image) {
  for (int64_t y = 0; y < part.height; ++y) {
    const auto row = part.pixels.begin() + y * part.width * part.channels;
    std::copy(row, row + part.width * part.channels,
              image.pixels.begin() + ((at.top + y) * image.width + at.left) * image.channels);
  }
}

std::span<const float> map_of(const std::vector<float>& maps, const SavedSum& sum, int64_t sample) {
  const auto size = static_cast<std::size_t>(sum.height * sum.width);
  return std::span(maps).subspan(static_cast<std::size_t>(sample) * size, size);
}

/// One sample's map over its picture.
Image over(const Image& picture, std::span<const float> map, const SavedSum& sum,
           const AttnOptions& options) {
  // As the fork: the map is scaled first and then stretched, in straight lines between its values.
  const auto large =
      resize_map(map, sum.height, sum.width, picture.height, picture.width, Filter::kBilinear);
  return overlay(picture, colorize(large, picture.height, picture.width, options.colormap),
                 options.alpha);
}

/// A map as a grey picture of its own size. The fork cuts off what is behind the point.
Image grey_map(std::span<const float> map, const SavedSum& sum) {
  constexpr float kWhite = 255;
  Image image{sum.width, sum.height, 1, {}};
  for (const float value : map) {
    image.pixels.push_back(static_cast<uint8_t>(std::clamp(value, 0.0F, 1.0F) * kWhite));
  }
  return image;
}

/// Where a run writes "grid-0001.png", older versions of the original wrote "grid_0001.png", and
/// their command lines still say so.
fs::path find_image(const fs::path& path, const std::function<void(const std::string&)>& say) {
  constexpr std::string_view kOld = "grid_";
  std::error_code ignored;
  const auto name = path.filename().string();
  if (fs::exists(path, ignored) || !name.starts_with(kOld)) return path;
  const auto here = path.parent_path() / ("grid-" + name.substr(kOld.size()));
  if (!fs::exists(here, ignored)) return path;
  say(fmt::format("--img_path: {} does not exist, {} is taken", path.string(), here.string()));
  return here;
}

/// Which sample of its batch a picture says that it is; nothing if it says none of `samples`.
std::optional<int64_t> sample_in(const fs::path& path, int64_t samples) {
  for (const auto& [keyword, text] : read_metadata(path).texts) {
    if (keyword != "sd") continue;
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    const auto run = json.is_object() ? json.find("run") : json.end();
    if (run == json.end() || !run->is_object()) continue;
    const auto row = run->find("row");
    if (row == run->end() || !row->is_number_integer()) continue;
    if (const auto value = row->get<int64_t>(); value >= 0 && value < samples) return value;
  }
  return std::nullopt;
}

/// Leaves the one sample that the only picture shows.
void keep_sample(SavedSum& sum, const fs::path& image,
                 const std::function<void(const std::string&)>& say) {
  const auto known = sample_in(image, sum.samples);
  const int64_t kept = known.value_or(0);
  if (!known) {
    say(
        fmt::format("--img: {} is one picture, but there are maps of {} samples; the map of the "
                    "first sample is laid over it",
                    image.string(), sum.samples));
  }
  const auto map = map_of(sum.values, sum, kept);
  sum.values = std::vector<float>(map.begin(), map.end());
  sum.samples = 1;
}

Image draw_bundle(const fs::path& image, const fs::path& maps, SavedSum scaled,
                  const AttnOptions& options, const std::function<void(const std::string&)>& say) {
  const auto picture = read_image(image);
  const auto layout = find_grid(picture, scaled);
  const auto room = static_cast<int64_t>(layout.cells.size());
  if (room < scaled.samples) keep_sample(scaled, image, say);
  // A later batch's pictures stand behind those before it, unless the grid shows that batch alone.
  const int64_t before = samples_before(maps);
  const int64_t first = before + scaled.samples <= room ? before : 0;
  return draw_saved(picture, layout, scaled, options, first);
}

}  // namespace

std::vector<float> normalised(const SavedSum& sum, const AttnOptions& options) {
  return options.norm == AttnNorm::kMinMax ? minmax(sum.values) : by_maximum(sum.values);
}

Image draw_saved(const Image& given, const GridLayout& layout, const SavedSum& sum,
                 const AttnOptions& options, int64_t first) {
  Image picture = to_rgb(given);
  for (int64_t i = 0; i < sum.samples; ++i) {
    const auto& cell = layout.cells.at(static_cast<std::size_t>(first + i));
    const auto part = cut_out(picture, cell, layout.width, layout.height);
    put_back(over(part, map_of(sum.values, sum, i), sum, options), cell, picture);
  }
  return picture;
}

std::vector<fs::path> draw_from(const AttnFromOptions& from, const AttnOptions& options,
                                const fs::path& outdir,
                                const std::function<void(const std::string&)>& say) {
  const auto& choice = from.choice;
  auto sum = sum_saved_maps(list_saved_maps(*from.from), choice);
  sum.values = normalised(sum, options);
  DrawingName name{std::nullopt,      choice.token,      sum.resolution, choice.first_level,
                   choice.last_level, choice.first_time, sum.last_time};
  std::optional<Image> bundle;  // drawn before anything is written: it may not fit
  if (from.image) bundle = draw_bundle(find_image(*from.image, say), *from.from, sum, options, say);

  make_writable_folder(outdir);
  std::vector<fs::path> paths;
  for (int64_t i = 0; i < sum.samples; ++i) {
    name.sample = i;
    paths.push_back(
        write_drawing(outdir, drawing_stem(name), grey_map(map_of(sum.values, sum, i), sum)));
  }
  name.sample.reset();
  if (bundle) paths.push_back(write_drawing(outdir, drawing_stem(name), *bundle));
  return paths;
}

}  // namespace sd::cli
