#pragma once

#include <torch/types.h>

#include <vector>

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

/// group_affine for maps that are never all there: one picture's, in bands of rows, each once.
class GroupMoments {
 public:
  explicit GroupMoments(int64_t channels) : moments_(static_cast<std::size_t>(2 * channels)) {}
  /// Rows [1,C,·,W], of float32 or bf16 on a CPU.
  void add(const torch::Tensor& rows);
  GroupAffine affine(const GroupNormOptions& options) const;

 private:
  int64_t pixels_ = 0;
  std::vector<double> moments_;  // each channel's sum, then each one's sum of squares
};

/// Group norm (arXiv:1803.08494) of x [N,C,...] in one pass over memory for maps on a CPU;
/// differentiable. The arithmetic is float32. The result of the fast path is channels-last.
torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options);

}  // namespace sd
