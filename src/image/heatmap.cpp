#include "sd/image/heatmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "image/checks.h"
#include "image/finite.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"

namespace sd {
namespace {

using Colour = std::array<double, 3>;

/// The polynomial that Google published beside the table (gist mikhailov-work/0d177465,
/// Apache 2.0).
Colour turbo(double x) {
  constexpr std::array<std::array<double, 6>, 3> kCoefficients = {{
      {0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943},
      {0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604},
      {0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973},
  }};
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t power = 6; power-- > 0;) {
      colour[c] = colour[c] * x + kCoefficients[c][power];
    }
  }
  return colour;
}

/// The value at x of a line through (position, value) points whose positions begin at 0 and end
/// at 1.
template <std::size_t N>
double piecewise(double x, const std::array<std::array<double, 2>, N>& points) {
  std::size_t right = 1;
  while (right + 1 < N && points[right][0] < x) ++right;
  const auto& [x0, y0] = points[right - 1];
  const auto& [x1, y1] = points[right];
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

Colour jet(double x) {
  using Point = std::array<double, 2>;
  constexpr std::array<Point, 5> kRed = {{{0, 0}, {0.35, 0}, {0.66, 1}, {0.89, 1}, {1, 0.5}}};
  constexpr std::array<Point, 6> kGreen = {
      {{0, 0}, {0.125, 0}, {0.375, 1}, {0.64, 1}, {0.91, 0}, {1, 0}}};
  constexpr std::array<Point, 5> kBlue = {{{0, 0.5}, {0.11, 1}, {0.34, 1}, {0.65, 0}, {1, 0}}};
  return {piecewise(x, kRed), piecewise(x, kGreen), piecewise(x, kBlue)};
}

uint8_t to_level(double value) {
  return static_cast<uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
}

}  // namespace

Image colorize(std::span<const float> map, int64_t h, int64_t w, Colormap colormap) {
  check_map(map, h, w, "map to colour");
  Image image{w, h, colormap == Colormap::kGrey ? 1 : 3, {}};
  image.pixels.reserve(map.size() * static_cast<std::size_t>(image.channels));
  for (const float value : map) {
    const double x = std::clamp<double>(finite(value), 0.0, 1.0);
    if (colormap == Colormap::kGrey) {
      image.pixels.push_back(to_level(x));
      continue;
    }
    for (const double level : colormap == Colormap::kTurbo ? turbo(x) : jet(x)) {
      image.pixels.push_back(to_level(level));
    }
  }
  return image;
}

Image overlay(const Image& picture, const Image& heat, double alpha) {
  if (!(alpha >= 0 && alpha <= 1)) {
    throw UsageError(fmt::format("the weight of a heat map must be 0 to 1, not {}", alpha));
  }
  auto blend = to_rgb(picture);
  const auto colour = to_rgb(heat);
  if (blend.width != colour.width || blend.height != colour.height) {
    throw UsageError(fmt::format("a heat map of {} x {} pixels cannot lie on a picture of {} x {}",
                                 heat.width, heat.height, picture.width, picture.height));
  }
  for (std::size_t i = 0; i < blend.pixels.size(); ++i) {
    blend.pixels[i] =
        static_cast<uint8_t>(std::lround((1 - alpha) * blend.pixels[i] + alpha * colour.pixels[i]));
  }
  return blend;
}

Image threshold_mask(std::span<const float> map, int64_t h, int64_t w, double threshold) {
  check_map(map, h, w, "map to threshold");
  Image mask{w, h, 1, {}};
  mask.pixels.reserve(map.size());
  for (const float value : map) mask.pixels.push_back(finite(value) > threshold ? 255 : 0);
  return mask;
}

std::vector<float> minmax(std::span<const float> map) {
  std::vector<float> scaled;
  scaled.reserve(map.size());
  std::transform(map.begin(), map.end(), std::back_inserter(scaled), finite);
  if (scaled.empty()) return scaled;
  const auto [low, high] = std::minmax_element(scaled.begin(), scaled.end());
  const double min = *low;
  const double range = *high - min;  // double: two large floats may differ by more than one holds
  for (auto& value : scaled) {
    value = range > 0 ? static_cast<float>((value - min) / range) : 0.0F;
  }
  return scaled;
}

std::vector<float> by_maximum(std::span<const float> map) {
  std::vector<float> scaled;
  scaled.reserve(map.size());
  std::transform(map.begin(), map.end(), std::back_inserter(scaled), finite);
  if (scaled.empty()) return scaled;
  const float max = *std::max_element(scaled.begin(), scaled.end());
  for (auto& value : scaled) value = max > 0 ? value / max : 0.0F;
  return scaled;
}

}  // namespace sd
