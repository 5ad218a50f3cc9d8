#pragma once

#include <torch/types.h>

#include <string>

namespace sd {

/// Throws Error naming `stage` if `values` holds a NaN or an infinity: such latents decode to a
/// black picture.
void require_finite(const torch::Tensor& values, const std::string& stage);

/// Throws that Error; `what` is what was found.
[[noreturn]] void throw_not_finite(const std::string& stage, const std::string& what);

}  // namespace sd
