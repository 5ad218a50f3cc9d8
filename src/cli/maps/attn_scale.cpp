#include "cli/maps/attn_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sd/image/label.h"

namespace sd::cli {
namespace {

constexpr int64_t kBarWidth = 192;
constexpr int64_t kBarHeight = 12;

/// Two digits that count: "43 %", "4.3 %", "0.43 %".
std::string percent(double part) {
  const double value = 100 * part;
  const double size = std::abs(value);
  return fmt::format("{:.{}f} %", value, size >= 9.95 || size == 0 ? 0 : size >= 0.995 ? 1 : 2);
}

HeatScale range_of(std::span<const HeatMap> maps) {
  HeatScale range{std::numeric_limits<float>::infinity(), 0};
  for (const auto& map : maps) {
    for (const float value : map) {
      if (!std::isfinite(value)) continue;
      range.low = std::min(range.low, value);
      range.high = std::max(range.high, value);
    }
  }
  range.low = std::min(range.low, range.high);
  return range;
}

Image bar(Colormap colormap) {
  HeatMap values;
  for (int64_t y = 0; y < kBarHeight; ++y) {
    for (int64_t x = 0; x < kBarWidth; ++x)
      values.push_back(static_cast<float>(x) / static_cast<float>(kBarWidth - 1));
  }
  return colorize(values, kBarHeight, kBarWidth, colormap);
}

}  // namespace

HeatScale scale_of(std::span<const HeatMap> maps, AttnNorm norm) {
  if (norm == AttnNorm::kToken) return {0, 1};
  const auto range = range_of(maps);
  return {norm == AttnNorm::kMinMax && range.low < range.high ? range.low : 0, range.high};
}

HeatMap scaled(HeatMap map, HeatScale scale) {
  const float range = scale.high - scale.low;
  for (float& value : map) {
    const float at = range > 0 ? (value - scale.low) / range : 0;
    value = std::isfinite(at) ? std::clamp(at, 0.0F, 1.0F) : 0;
  }
  return map;
}

bool shares_scale(AttnNorm norm) { return norm == AttnNorm::kAbsolute || norm == AttnNorm::kToken; }

std::string numbers_of(const HeatMap& map, AttnNorm norm) {
  const auto range = range_of(std::span(&map, 1));
  if (norm != AttnNorm::kMinMax) return "max " + percent(range.high);
  return fmt::format("{} to {}", percent(range.low), percent(range.high));
}

Image with_colour_bar(const Image& sheet, const AttnOptions& options, HeatScale scale,
                      const std::string& own) {
  const bool shared = shares_scale(options.norm);
  const bool least = options.norm == AttnNorm::kMinMax;
  const auto low = shared ? percent(scale.low) : least ? "min" : "0 %";
  const auto high = shared ? percent(scale.high) : "max";
  std::string note = options.norm == AttnNorm::kToken
                         ? "of what a pixel pays to the prompt's tokens"
                         : "of a pixel's attention, mean over steps, layers and heads";
  if (!shared) note += fmt::format("; each {} has a scale of its own", own);
  return captioned(with_key(sheet, low, bar(options.colormap), high), note);
}

}  // namespace sd::cli
