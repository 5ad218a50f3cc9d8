#pragma once

#include <torch/types.h>

#include "sd/core/ip_adapter_info.h"
#include "sd/models/weight_map.h"

namespace sd {

/// What CLIP's vision tower makes of pictures.
struct VisionStates {
  torch::Tensor patches;    // [N,tokens,width], behind the last layer but one
  torch::Tensor embedding;  // [N,projection] of the class token, behind all layers
};

/// Which of the two are wanted; the other one is undefined.
enum class VisionOutput { kPatches, kEmbedding };

/// Runs the tower (transformers' CLIPVisionModelWithProjection) over pixels [N,3,side,side] as
/// clip_pixels gives them. Throws CheckpointError for weights that do not fit `config`.
VisionStates see(const WeightMap& weights, const VisionConfig& config, const torch::Tensor& pixels,
                 VisionOutput wanted);

}  // namespace sd
