#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "image/checks.h"
#include "image/finite.h"
#include "sd/core/error.h"
#include "sd/image/heatmap.h"

namespace sd {
namespace {

constexpr uint8_t kInside = 128;

double ratio(int64_t intersection, int64_t union_area) {
  if (union_area == 0) return 1;
  return static_cast<double>(intersection) / static_cast<double>(union_area);
}

}  // namespace

MapStatistics map_statistics(std::span<const float> map, int64_t h, int64_t w) {
  check_map(map, h, w, "map to measure");
  MapStatistics statistics;
  statistics.min = statistics.max = finite(map.front());
  double sum = 0;
  double weight = 0;
  double sum_x = 0;
  double sum_y = 0;
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      const double value = finite(map[static_cast<std::size_t>(y * w + x)]);
      statistics.min = std::min(statistics.min, value);
      statistics.max = std::max(statistics.max, value);
      sum += value;
      if (value <= 0) continue;
      weight += value;
      sum_x += value * (static_cast<double>(x) + 0.5);
      sum_y += value * (static_cast<double>(y) + 0.5);
    }
  }
  statistics.mean = sum / static_cast<double>(h * w);
  if (weight > 0) {
    statistics.centroid_x = sum_x / weight / static_cast<double>(w);
    statistics.centroid_y = sum_y / weight / static_cast<double>(h);
  }
  return statistics;
}

double area_above(std::span<const float> map, double threshold) {
  if (map.empty()) return 0;
  const auto above =
      std::count_if(map.begin(), map.end(), [&](float value) { return finite(value) > threshold; });
  return static_cast<double>(above) / static_cast<double>(map.size());
}

double iou(const Image& a, const Image& b) {
  check_grey(a, "mask to compare");
  check_grey(b, "mask to compare");
  if (a.width != b.width || a.height != b.height) {
    throw UsageError(fmt::format("masks of {} x {} and {} x {} pixels cannot be compared", a.width,
                                 a.height, b.width, b.height));
  }
  int64_t both = 0;
  int64_t either = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const bool in_a = a.pixels[i] >= kInside;
    const bool in_b = b.pixels[i] >= kInside;
    both += in_a && in_b;
    either += in_a || in_b;
  }
  return ratio(both, either);
}

double area_matched_iou(std::span<const float> map, const Image& mask) {
  check_grey(mask, "mask to compare");
  check_map(map, mask.height, mask.width, "map to compare with a mask of its size");
  const auto inside = [&](std::size_t i) { return mask.pixels[i] >= kInside; };
  std::vector<std::size_t> order(map.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto area = std::count_if(order.begin(), order.end(), inside);
  const auto end = order.begin() + area;
  std::nth_element(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
    const float value_a = finite(map[a]);
    const float value_b = finite(map[b]);
    return value_a != value_b ? value_a > value_b : a < b;
  });
  const auto both = std::count_if(order.begin(), end, inside);
  return ratio(both, 2 * area - both);
}

}  // namespace sd
