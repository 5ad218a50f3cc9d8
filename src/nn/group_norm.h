#pragma once

#include <torch/types.h>

namespace sd {

struct GroupNormOptions {
  int64_t groups = 32;
  torch::Tensor weight{}, bias{};  // [C]; may be of another dtype than x
  double eps = 1e-5;
  bool silu = false;       // behind the norm
  torch::Tensor offset{};  // [N,C], added to x before the norm; undefined: none
};

/// Group norm (arXiv:1803.08494) of x [N,C,...] in one pass over memory for maps on a CPU;
/// differentiable. The arithmetic is float32. The result of the fast path is channels-last.
torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options);

}  // namespace sd
