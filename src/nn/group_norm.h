#pragma once

#include <torch/types.h>

namespace sd {

struct GroupNormOptions {
  int64_t groups = 32;
  torch::Tensor weight{}, bias{};  // [C]; may be of another dtype than x
  double eps = 1e-5;
  bool silu = false;  // behind the norm
};

/// What makes normed values of x: x · scale + shift, each [N,C] float32.
struct GroupAffine {
  torch::Tensor scale, shift;
};

/// The first pass of group_norm alone, for whoever makes the second while reading x: maps x
/// [N,C,h,w] on a CPU, float32 or bf16, without gradients.
GroupAffine group_affine(const torch::Tensor& x, const GroupNormOptions& options);

/// Group norm (arXiv:1803.08494) of x [N,C,...] in one pass over memory for maps on a CPU;
/// differentiable. The arithmetic is float32. The result of the fast path is channels-last.
torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options);

}  // namespace sd
