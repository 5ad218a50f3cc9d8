#include "sd/image/region_weights.h"

#include <fmt/format.h>

#include <cmath>

#include "sd/core/error.h"
#include "sd/image/mask.h"

namespace sd {
namespace {

/// Half of the least that a mask's pixel can be.
constexpr float kNothing = 0.5F / 255;
constexpr double kMostBase = 1000;

void check_covered(const std::vector<float>& sums, int64_t h, int64_t w) {
  int64_t bare = 0, first = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (sums[i] >= kNothing) continue;
    if (bare++ == 0) first = static_cast<int64_t>(i);
  }
  if (bare == 0) return;
  const auto share = [](int64_t at, int64_t of) {
    return (static_cast<double>(at) + 0.5) / static_cast<double>(of);
  };
  throw UsageError(fmt::format(
      "the regions leave {:.1f} % of the picture without a prompt, such as the place {:.2f},{:.2f} "
      "(shares of its width and height)\nCover it with a region, or give the base prompt a weight.",
      100 * static_cast<double>(bare) / static_cast<double>(sums.size()), share(first % w, w),
      share(first / w, h)));
}

}  // namespace

RegionWeights region_weights(const std::vector<Image>& masks, double base, int64_t h, int64_t w) {
  if (!(base >= 0 && base <= kMostBase)) {
    throw UsageError(
        fmt::format("the weight of the base prompt is {}; expected 0 to {}", base, kMostBase));
  }
  RegionWeights weights{{}, h, w};
  std::vector<float> sums(static_cast<std::size_t>(h * w), static_cast<float>(base));
  if (base > 0) weights.maps.push_back(sums);
  for (const auto& mask : masks) {
    if (mask.width != masks.front().width || mask.height != masks.front().height) {
      throw UsageError(fmt::format("regions of {}x{} and {}x{} pixels; expected one size",
                                   masks.front().width, masks.front().height, mask.width,
                                   mask.height));
    }
    weights.maps.push_back(latent_mask(mask, h, w, MaskReduction::kBox));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += weights.maps.back()[i];
  }
  check_covered(sums, h, w);
  for (auto& map : weights.maps) {
    for (std::size_t i = 0; i < map.size(); ++i) map[i] /= sums[i];
  }
  return weights;
}

}  // namespace sd
