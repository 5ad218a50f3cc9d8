#include "cli/maps/attn_draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cli/maps/attn_scale.h"
#include "sd/image/fit.h"
#include "sd/image/heatmap.h"
#include "sd/image/label.h"
#include "sd/image/resize.h"

namespace sd::cli {
namespace {

constexpr int64_t kContactSide = 256;  // longest side of a cell: eight words fit a screen
constexpr int64_t kSheetSide = 144;    // of sheets with a cell for each word and stretch or layer
constexpr int64_t kMaxContactColumns = 8;

Size size_of(const Image& picture) { return {picture.width, picture.height}; }

/// `picture` with its longest side at `longest`.
Size cell_size(Size picture, int64_t longest) {
  const int64_t side = std::max(picture.width, picture.height);
  const auto scaled = [&](int64_t length) {
    return std::max<int64_t>(1, (length * longest + side / 2) / side);
  };
  return {scaled(picture.width), scaled(picture.height)};
}

/// What each token gets of what a pixel pays to the prompt's own tokens.
TokenMaps shares(TokenMaps maps, int64_t first_token, int64_t end_token) {
  const auto size = static_cast<std::size_t>(maps.height * maps.width);
  const int64_t end = end_token > first_token ? std::min(end_token, maps.tokens) : maps.tokens;
  std::vector<double> sum(size);
  for (int64_t token = first_token; token < end; ++token) {
    const auto map = maps.of(token);
    for (std::size_t i = 0; i < size; ++i) sum[i] += map[i];
  }
  for (std::size_t i = 0; i < maps.values.size(); ++i) {
    const double all = sum[i % size];
    maps.values[i] = all > 0 ? static_cast<float>(maps.values[i] / all) : 0;
  }
  return maps;
}

/// The words' maps at `size`, in the quantity that the norm draws. `steps` is how many `maps` are
/// summed over.
std::vector<HeatMap> word_maps(const AttnCanvas& canvas, const TokenMaps& maps, Size size,
                               std::size_t steps) {
  const bool relative = canvas.options.norm == AttnNorm::kToken;
  const TokenMaps changed =
      relative ? shares(maps, canvas.first_token, canvas.end_token) : TokenMaps{};
  const TokenMaps& drawn = relative ? changed : maps;
  std::vector<HeatMap> resized;
  for (const auto& word : canvas.words) {
    auto map = resize_map(mean_map(drawn, word.positions), drawn.height, drawn.width, size.height,
                          size.width, Filter::kBicubic);
    // Shares are the same for a sum and its mean.
    if (!relative) {
      for (float& value : map) value /= static_cast<float>(std::max<std::size_t>(steps, 1));
    }
    resized.push_back(std::move(map));
  }
  return resized;
}

/// Brings maps to 0..1; all share a scale if the norm compares words, else each has its own.
std::vector<HeatMap> scaled_each(std::vector<HeatMap> maps, AttnNorm norm) {
  const auto common = scale_of(maps, norm);
  for (auto& map : maps) {
    const auto scale = shares_scale(norm) ? common : scale_of(std::span(&map, 1), norm);
    map = scaled(std::move(map), scale);
  }
  return maps;
}

/// Colours are the map's alone: they lie over the picture in grey. A grey map keeps the picture's.
Image heat_over(const Image& picture, const HeatMap& map, const AttnOptions& options) {
  const bool grey = options.colormap == Colormap::kGrey;
  return overlay(grey ? picture : to_gray(picture),
                 colorize(map, picture.height, picture.width, options.colormap), options.alpha);
}

Image small_picture(const AttnCanvas& canvas, int64_t longest) {
  const Size size = cell_size(size_of(canvas.picture), longest);
  return resize(to_rgb(canvas.picture), size.width, size.height, Filter::kLanczos);
}

std::vector<Label> texts_of(const std::vector<AttnWord>& words) {
  std::vector<Label> texts;
  for (const auto& word : words) texts.emplace_back(word.text);
  return texts;
}

std::string stretch_label(const std::vector<double>& timesteps) {
  if (timesteps.size() == 1) return fmt::format("t {:.0f}", timesteps.front());
  return fmt::format("t {:.0f}–{:.0f}", timesteps.front(), timesteps.back());
}

/// Tiles of a sheet with their numbers: maps in rows, as they stand. Each row has a scale of its
/// own where not all share one.
std::vector<LabelledImage> tiles_of(const AttnCanvas& canvas, const Image& picture,
                                    const std::vector<std::vector<HeatMap>>& rows,
                                    HeatScale common) {
  const auto norm = canvas.options.norm;
  std::vector<LabelledImage> tiles;
  for (const auto& row : rows) {
    const auto scale = shares_scale(norm) ? common : scale_of(row, norm);
    for (const auto& map : row) {
      tiles.push_back(
          {heat_over(picture, scaled(map, scale), canvas.options), numbers_of(map, norm)});
    }
  }
  return tiles;
}

/// What all maps of a sheet are drawn on where they share a scale.
HeatScale common_scale(const std::vector<std::vector<HeatMap>>& rows, AttnNorm norm) {
  std::vector<HeatMap> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return scale_of(all, norm);
}

}  // namespace

std::vector<float> mean_map(const TokenMaps& maps, std::span<const int64_t> positions) {
  std::vector<double> sum(static_cast<std::size_t>(maps.height * maps.width));
  for (const int64_t position : positions) {
    const auto map = maps.of(position);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += map[i];
  }
  std::vector<float> mean(sum.size());
  const auto count = static_cast<double>(positions.size());
  std::ranges::transform(sum, mean.begin(),
                         [&](double value) { return static_cast<float>(value / count); });
  return mean;
}

std::vector<WordPictures> draw_words(const AttnCanvas& canvas, const TokenMaps& maps) {
  const Size size = size_of(canvas.picture);
  const Image picture = to_rgb(canvas.picture);
  std::vector<WordPictures> drawn;
  const auto values = word_maps(canvas, maps, size, canvas.steps);
  const auto normalised = scaled_each(values, canvas.options.norm);
  for (std::size_t i = 0; i < values.size(); ++i) {
    // A mask does not depend on how maps are coloured.
    drawn.push_back({heat_over(picture, normalised[i], canvas.options),
                     colorize(normalised[i], size.height, size.width, Colormap::kGrey),
                     threshold_mask(minmax(values[i]), size.height, size.width, kMaskThreshold)});
  }
  return drawn;
}

Image draw_contact(const AttnCanvas& canvas, const TokenMaps& maps, const std::string& title) {
  const Image picture = small_picture(canvas, kContactSide);
  const auto norm = canvas.options.norm;
  std::vector<LabelledImage> cells = {{picture, "picture"}};
  const auto values = word_maps(canvas, maps, size_of(picture), canvas.steps);
  const auto normalised = scaled_each(values, norm);
  for (std::size_t i = 0; i < normalised.size(); ++i) {
    cells.push_back({heat_over(picture, normalised[i], canvas.options),
                     canvas.words[i].text + "\n" + numbers_of(values[i], norm)});
  }
  const auto wide = std::ceil(std::sqrt(1.5 * static_cast<double>(cells.size())));
  const auto columns = std::min(static_cast<int64_t>(wide), kMaxContactColumns);
  return captioned(with_colour_bar(labelled_sheet(cells, columns), canvas.options,
                                   scale_of(values, norm), "tile"),
                   title);
}

Image draw_timeline(const AttnCanvas& canvas, const std::vector<TimelineHeat>& timeline) {
  const Image picture = small_picture(canvas, kSheetSide);
  SheetLabels labels{texts_of(canvas.words), {}};
  std::vector<std::vector<HeatMap>> words(canvas.words.size());  // [words][stretches]
  for (const auto& stretch : timeline) {
    labels.columns.emplace_back(stretch_label(stretch.timesteps));
    auto maps = word_maps(canvas, stretch.maps, size_of(picture), stretch.timesteps.size());
    for (std::size_t word = 0; word < maps.size(); ++word)
      words[word].push_back(std::move(maps[word]));
  }
  const auto scale = common_scale(words, canvas.options.norm);
  const auto sheet = labelled_sheet(tiles_of(canvas, picture, words, scale),
                                    static_cast<int64_t>(timeline.size()), labels);
  return with_colour_bar(sheet, canvas.options, scale, "row");
}

Image draw_layers(const AttnCanvas& canvas, const std::vector<PartHeat>& parts) {
  const Image picture = small_picture(canvas, kSheetSide);
  SheetLabels labels{{}, texts_of(canvas.words)};
  std::vector<std::vector<HeatMap>> rows;  // [parts][words]
  for (const auto& part : parts) {
    labels.rows.emplace_back(fmt::format("{} {}", part.part, part.resolution));
    rows.push_back(word_maps(canvas, part.maps, size_of(picture), canvas.steps));
  }
  const auto norm = canvas.options.norm;
  const auto scale = common_scale(rows, norm);
  if (!shares_scale(norm)) {
    // Every tile is a map of its own: layers of a word do not compare as its stretches do.
    for (auto& row : std::exchange(rows, {})) {
      for (auto& map : row) rows.push_back({std::move(map)});
    }
  }
  const auto sheet = labelled_sheet(tiles_of(canvas, picture, rows, scale),
                                    static_cast<int64_t>(canvas.words.size()), labels);
  return with_colour_bar(sheet, canvas.options, scale, "tile");
}

}  // namespace sd::cli
