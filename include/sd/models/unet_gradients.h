#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// What one cross-attention layer paid: probabilities of a differentiable evaluation.
struct CrossMap {
  AttentionSite site;
  int64_t height = 0, width = 0;  // query grid: Q = height · width latent pixels
  torch::Tensor probs;            // [R,heads,Q,K], before any control
};

/// What a differentiable evaluation is asked for.
struct GradientChoice {
  /// Which cross-attention layers' maps; null: none.
  std::function<bool(const AttentionSite&)> maps;
  /// Also the prediction. Without it no layer behind the last that is wanted is computed.
  bool output = true;
  /// Each block is computed again on the way back instead of being kept, so that memory is that of
  /// one block. Gradients are the same; without it the way back takes two thirds of the time.
  bool checkpoints = true;
};

struct GradientOutputs {
  torch::Tensor output;  // [R,C_out,h,w] float32; undefined where it was not asked for
  std::vector<CrossMap> maps;
};

}  // namespace sd
