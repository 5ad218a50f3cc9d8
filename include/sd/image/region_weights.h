#pragma once

#include <cstdint>
#include <vector>

#include "sd/image/image.h"

namespace sd {

/// How much each of several regions counts at each latent pixel.
struct RegionWeights {
  /// [h·w] each, rows top to bottom: of the base, where it has a weight, then of the regions. They
  /// add up to 1 at every pixel.
  std::vector<std::vector<float>> maps;
  int64_t height = 0, width = 0;
};

/// m_i / (base + Σ m) for masks m_i of equal size, white being 1, each reduced to h × w latents
/// first; of the base likewise. Throws UsageError for a base below 0, masks that are not grey or of
/// unequal size, and, without a base, where no region covers a pixel: it says how large a share of
/// the picture that is, and names a place.
RegionWeights region_weights(const std::vector<Image>& masks, double base, int64_t h, int64_t w);

}  // namespace sd
