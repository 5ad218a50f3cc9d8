#pragma once

#include <torch/types.h>

#include <string>

namespace sd {

/// Throws Error naming `stage` if `values` holds a NaN or an infinity: such latents decode to a
/// black picture.
void require_finite(const torch::Tensor& values, const std::string& stage);

}  // namespace sd
