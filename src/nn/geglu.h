#pragma once

#include <torch/types.h>

namespace sd {

/// a · gelu(b) of x = [a,b] [...,2·width] → [...,width] (arXiv:2002.05202); differentiable. In bf16
/// on a CPU one pass with float32 arithmetic and one rounding, as LibTorch's two operations would
/// round gelu(b) too.
torch::Tensor geglu(const torch::Tensor& x);

}  // namespace sd
