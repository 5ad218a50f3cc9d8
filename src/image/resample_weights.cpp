#include "image/resample_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sd {
namespace {

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

/// Cubic convolution (Keys, 1981), in the order of operations that Pillow has.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

double value(Filter filter, double x) {
  switch (filter) {
    case Filter::kBox:
      return x > -0.5 && x <= 0.5 ? 1 : 0;
    case Filter::kBilinear:
      return std::max(0.0, 1 - std::abs(x));
    case Filter::kBicubic:
      return cubic(x);
    case Filter::kLanczos:
      return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0;
  }
  return 0;
}

double support(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return 0.5;
    case Filter::kBilinear:
      return 1;
    case Filter::kBicubic:
      return 2;
    case Filter::kLanczos:
      return 3;
  }
  return 0;
}

int32_t fixed_point(double weight) {
  const double scaled = weight * (1 << kPrecisionBits);
  return static_cast<int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

}  // namespace

ResampleWeights resample_weights(int64_t in, int64_t out, Filter filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double radius = support(filter) * filter_scale;
  const double step = 1 / filter_scale;
  ResampleWeights axis;
  axis.windows.reserve(static_cast<std::size_t>(out));
  std::vector<double> weights;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    // Conversion truncates towards zero, as in C.
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - radius + 0.5), 0);
    const auto last = std::min(static_cast<int64_t>(centre + radius + 0.5), in);
    weights.clear();
    double sum = 0;
    for (int64_t k = first; k < last; ++k) {
      weights.push_back(value(filter, (static_cast<double>(k) - centre + 0.5) * step));
      sum += weights.back();
    }
    axis.windows.push_back({first, last - first, static_cast<int64_t>(axis.weights.size())});
    for (const double weight : weights) {
      axis.weights.push_back(fixed_point(sum != 0 ? weight / sum : weight));
    }
  }
  return axis;
}

}  // namespace sd
