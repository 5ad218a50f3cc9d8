#pragma once

#include <cstdint>

#include "models/vae_plan.h"
#include "sd/nn/layers.h"

namespace sd {

/// Maps that may not be there yet.
struct VaeMaps {
  torch::Tensor stored;      // [N,C,h,w]
  Conv2d upsample{nullptr};  // where there is one: the maps are what it makes of `stored`, doubled

  /// All of them, which are stored from then on.
  const torch::Tensor& whole();
};

/// GN-SiLU-conv twice, plus the input (through a 1×1 convolution where channels change).
struct VaeBlockLayers {
  GroupNorm norm1{nullptr}, norm2{nullptr};
  Conv2d conv1{nullptr}, conv2{nullptr}, shortcut{nullptr};
};

/// The block in bands of rows, by a plan other than kWhole, for one picture on a CPU where
/// Conv2dImpl::makes_rows. Norms see the moments of all rows, and rows at a band's border are made
/// from their neighbours, so the maps are those of the whole block but for rounding. May overwrite
/// x. `band_rows` 0: as many as a fixed amount of memory holds.
torch::Tensor block_in_bands(const VaeBlockLayers& layers, VaeMaps x, BlockPlan plan,
                             int64_t band_rows);

}  // namespace sd
