#include <algorithm>
#include <array>
#include <cmath>

#include "image/checks.h"
#include "sd/core/error.h"
#include "sd/image/resize.h"

namespace sd {
namespace {

/// An input of an output sample.
struct Tap {
  int64_t index;
  double weight;
};
using Taps = std::vector<Tap>;

/// Cubic convolution (Keys, 1981) with a = -0.75, for the four samples around a point `t` past the
/// second one.
std::array<double, 4> cubic_weights(double t) {
  constexpr double a = -0.75;
  const auto near = [](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

Taps bicubic_taps(double centre, int64_t in) {
  const double floor = std::floor(centre);
  const auto weights = cubic_weights(centre - floor);
  Taps taps;
  for (int64_t k = 0; k < 4; ++k) {
    const int64_t index = std::clamp<int64_t>(static_cast<int64_t>(floor) - 1 + k, 0, in - 1);
    taps.push_back({index, weights[static_cast<std::size_t>(k)]});
  }
  return taps;
}

Taps bilinear_taps(double centre, int64_t in) {
  const double inside = std::max(centre, 0.0);  // torch clamps here, not only the indices
  const auto left = static_cast<int64_t>(inside);
  const double t = inside - static_cast<double>(left);
  return {{left, 1 - t}, {std::min(left + 1, in - 1), t}};
}

/// adaptive_avg_pool2d's cells: floor(i·in/out) to ceil((i+1)·in/out).
Taps area_taps(int64_t i, int64_t in, int64_t out) {
  const int64_t begin = i * in / out;
  const int64_t end = ((i + 1) * in + out - 1) / out;
  Taps taps;
  for (int64_t k = begin; k < end; ++k) taps.push_back({k, 1.0 / static_cast<double>(end - begin)});
  return taps;
}

std::vector<Taps> axis_taps(int64_t in, int64_t out, Filter filter) {
  std::vector<Taps> axis;
  axis.reserve(static_cast<std::size_t>(out));
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    switch (filter) {
      case Filter::kBicubic:
        axis.push_back(bicubic_taps(centre, in));
        break;
      case Filter::kBilinear:
        axis.push_back(bilinear_taps(centre, in));
        break;
      case Filter::kBox:
        axis.push_back(area_taps(i, in, out));
        break;
      case Filter::kLanczos:
        throw UsageError("maps are resized with kBicubic, kBilinear or kBox, not kLanczos");
    }
  }
  return axis;
}

}  // namespace

std::vector<float> resize_map(std::span<const float> map, int64_t h, int64_t w, int64_t height,
                              int64_t width, Filter filter) {
  check_map(map, h, w, "map to resize");
  check_size(width, height, "size to resize a map to");
  check_size(width, h, "map to resize, at its new width");
  if (std::max({h, w, height, width}) > kMaxSide) {
    throw UsageError("map to resize: a side is longer than 1000000");
  }
  std::vector<double> rows;  // [h,width]
  rows.reserve(static_cast<std::size_t>(h * width));
  const auto across = axis_taps(w, width, filter);
  for (int64_t y = 0; y < h; ++y) {
    const auto row = map.subspan(static_cast<std::size_t>(y * w), static_cast<std::size_t>(w));
    for (const auto& taps : across) {
      double sum = 0;
      for (const auto& [index, weight] : taps) sum += weight * row[static_cast<std::size_t>(index)];
      rows.push_back(sum);
    }
  }
  std::vector<float> out;  // [height,width]
  out.reserve(static_cast<std::size_t>(height * width));
  for (const auto& taps : axis_taps(h, height, filter)) {
    for (int64_t x = 0; x < width; ++x) {
      double sum = 0;
      for (const auto& [index, weight] : taps) {
        sum += weight * rows[static_cast<std::size_t>(index * width + x)];
      }
      out.push_back(static_cast<float>(sum));
    }
  }
  return out;
}

}  // namespace sd
