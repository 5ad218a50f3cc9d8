#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/core/ip_adapter_info.h"
#include "sd/core/model_config.h"
#include "sd/models/weight_map.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// The tokens [N,tokens,width] that an IP-Adapter makes of what the vision tower sees: of
/// embeddings [N,vision] for a plain one, of patches [N,P,vision] for others. Throws
/// CheckpointError for weights that do not fit `info`.
torch::Tensor image_tokens(const WeightMap& weights, const IpAdapterInfo& info,
                           const torch::Tensor& seen);

/// A cross-attention layer of a UNet, and how wide its keys are.
struct CrossLayer {
  AttentionSite site;
  int64_t width = 0;
};
/// Those of a UNet in the order in which adapters number them: down, up, middle.
std::vector<CrossLayer> cross_layers(const UNetConfig& config);

}  // namespace sd
