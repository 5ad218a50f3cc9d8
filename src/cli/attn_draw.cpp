#include "cli/attn_draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sd/image/fit.h"
#include "sd/image/heatmap.h"
#include "sd/image/label.h"
#include "sd/image/resize.h"

namespace sd::cli {
namespace {

constexpr int64_t kContactSide = 256;  // longest side of a cell: eight words fit a screen
constexpr int64_t kSheetSide = 144;    // of sheets with a cell for each word and stretch or layer
constexpr int64_t kMaxContactColumns = 8;

using Map = std::vector<float>;  // [height*width] of its picture

struct Scale {
  float low = 0;
  float high = 1;
};

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

/// The words' maps at `size`, in the quantity that the norm draws.
std::vector<Map> word_maps(const AttnCanvas& canvas, const TokenMaps& maps, Size size) {
  const bool relative = canvas.options.norm == AttnNorm::kToken;
  const TokenMaps changed =
      relative ? shares(maps, canvas.first_token, canvas.end_token) : TokenMaps{};
  const TokenMaps& drawn = relative ? changed : maps;
  std::vector<Map> resized;
  for (const auto& word : canvas.words) {
    resized.push_back(resize_map(mean_map(drawn, word.positions), drawn.height, drawn.width,
                                 size.height, size.width, Filter::kBicubic));
  }
  return resized;
}

/// What is dark and what is bright for maps that are drawn alike.
Scale scale_of(std::span<const Map> maps, AttnNorm norm) {
  if (norm == AttnNorm::kToken) return {0, 1};
  float low = std::numeric_limits<float>::infinity();
  float high = 0;
  for (const auto& map : maps) {
    for (const float value : map) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return {norm == AttnNorm::kMinMax && low < high ? low : 0, high};
}

Map scaled(Map map, Scale scale) {
  const float range = scale.high - scale.low;
  for (float& value : map) {
    const float at = range > 0 ? (value - scale.low) / range : 0;
    value = std::isfinite(at) ? std::clamp(at, 0.0F, 1.0F) : 0;
  }
  return map;
}

/// Brings maps to 0..1; all share a scale if the norm compares words, else each has its own.
std::vector<Map> scaled_each(std::vector<Map> maps, AttnNorm norm) {
  const Scale common = scale_of(maps, norm);
  for (auto& map : maps) {
    const Scale own = norm == AttnNorm::kAbsolute ? common : scale_of(std::span(&map, 1), norm);
    map = scaled(std::move(map), own);
  }
  return maps;
}

/// Colours are the map's alone: they lie over the picture in grey. A grey map keeps the picture's.
Image heat_over(const Image& picture, const Map& map, const AttnOptions& options) {
  const bool grey = options.colormap == Colormap::kGrey;
  return overlay(grey ? picture : to_gray(picture),
                 colorize(map, picture.height, picture.width, options.colormap), options.alpha);
}

Image small_picture(const AttnCanvas& canvas, int64_t longest) {
  const Size size = cell_size(size_of(canvas.picture), longest);
  return resize(to_rgb(canvas.picture), size.width, size.height, Filter::kLanczos);
}

std::vector<std::string> texts_of(const std::vector<AttnWord>& words) {
  std::vector<std::string> texts;
  for (const auto& word : words) texts.push_back(word.text);
  return texts;
}

std::string stretch_label(const std::vector<double>& timesteps) {
  if (timesteps.size() == 1) return fmt::format("t {:.0f}", timesteps.front());
  return fmt::format("t {:.0f}–{:.0f}", timesteps.front(), timesteps.back());
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
  const auto values = word_maps(canvas, maps, size);
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
  std::vector<LabelledImage> cells = {{picture, "picture"}};
  const auto normalised =
      scaled_each(word_maps(canvas, maps, size_of(picture)), canvas.options.norm);
  for (std::size_t i = 0; i < normalised.size(); ++i) {
    cells.push_back({heat_over(picture, normalised[i], canvas.options), canvas.words[i].text});
  }
  const auto wide = std::ceil(std::sqrt(1.5 * static_cast<double>(cells.size())));
  const auto columns = std::min(static_cast<int64_t>(wide), kMaxContactColumns);
  return captioned(labelled_sheet(cells, columns), title);
}

Image draw_timeline(const AttnCanvas& canvas, const std::vector<TimelineHeat>& timeline) {
  const Image picture = small_picture(canvas, kSheetSide);
  SheetLabels labels{texts_of(canvas.words), {}};
  std::vector<std::vector<Map>> stretches;  // [stretches][words]
  for (const auto& stretch : timeline) {
    labels.columns.push_back(stretch_label(stretch.timesteps));
    auto maps = word_maps(canvas, stretch.maps, size_of(picture));
    // Shares are the same for a sum and its mean.
    const auto steps = static_cast<float>(stretch.timesteps.size());
    if (canvas.options.norm != AttnNorm::kToken) {
      for (auto& map : maps) {
        for (float& value : map) value /= steps;
      }
    }
    stretches.push_back(std::move(maps));
  }
  std::vector<Map> all;
  for (const auto& stretch : stretches) all.insert(all.end(), stretch.begin(), stretch.end());
  const Scale common = scale_of(all, canvas.options.norm);

  std::vector<LabelledImage> cells;
  for (std::size_t word = 0; word < canvas.words.size(); ++word) {
    std::vector<Map> row;
    for (const auto& stretch : stretches) row.push_back(stretch[word]);
    const bool compare = canvas.options.norm == AttnNorm::kAbsolute;
    const Scale scale = compare ? common : scale_of(row, canvas.options.norm);
    for (auto& map : row) {
      cells.push_back({heat_over(picture, scaled(std::move(map), scale), canvas.options), ""});
    }
  }
  return labelled_sheet(cells, static_cast<int64_t>(timeline.size()), labels);
}

Image draw_layers(const AttnCanvas& canvas, const std::vector<PartHeat>& parts) {
  const Image picture = small_picture(canvas, kSheetSide);
  SheetLabels labels{{}, texts_of(canvas.words)};
  std::vector<LabelledImage> cells;
  for (const auto& part : parts) {
    labels.rows.push_back(fmt::format("{} {}", part.part, part.resolution));
    const auto maps =
        scaled_each(word_maps(canvas, part.maps, size_of(picture)), canvas.options.norm);
    for (const auto& map : maps) cells.push_back({heat_over(picture, map, canvas.options), ""});
  }
  return labelled_sheet(cells, static_cast<int64_t>(canvas.words.size()), labels);
}

}  // namespace sd::cli
