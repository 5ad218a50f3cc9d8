#pragma once

#include <c10/core/GradMode.h>
#include <torch/types.h>

namespace sd {

/// A weight as an operation takes it that a gradient goes back through. What was made in inference
/// mode must not be kept for the way back; a copy may.
inline torch::Tensor as_constant(const torch::Tensor& weight) {
  const bool copies = weight.defined() && c10::GradMode::is_enabled() && weight.is_inference();
  return copies ? weight.clone() : weight;
}

}  // namespace sd
