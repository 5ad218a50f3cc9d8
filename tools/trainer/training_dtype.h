#pragma once

#include <torch/types.h>

#include "sd/core/compute.h"

namespace sd::train {

/// What activations and gradients are computed in; parameters, losses and the optimiser are
/// float32.
inline torch::Dtype training_dtype(const torch::Device& device) {
  return device.is_cuda() || cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
}

}  // namespace sd::train
