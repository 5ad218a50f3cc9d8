#pragma once

#include <torch/types.h>

namespace sd {

/// Group norm (arXiv:1803.08494) of x [N,C,...] and, if asked, SiLU behind it, in one pass over
/// memory for maps on a CPU; differentiable. weight and bias [C] may be of another dtype than x;
/// the arithmetic is float32. The result of the fast path is channels-last.
torch::Tensor group_norm(const torch::Tensor& x, int64_t groups, const torch::Tensor& weight,
                         const torch::Tensor& bias, double eps, bool silu);

}  // namespace sd
