#pragma once

#include <torch/types.h>

#include <cstdint>

namespace sd {

/// The largest share of tokens that 2×2 blocks allow: one of four stays.
inline constexpr double kMostMerged = 0.75;

/// Token merging for Stable Diffusion (arXiv:2303.17604), as its authors' tomesd does it by default
/// but without random numbers: of each 2×2 block of a grid the upper left token is a target, the
/// others are sources, and the sources that are most like a target are merged into it.
class TokenMerging {
 public:
  /// Matches the tokens of x [R,T,C], which stand row by row in a grid of height × width, by the
  /// cosine of their vectors, each of the R by itself. int(ratio · T) sources are merged, at most
  /// all. Throws UsageError unless 0 <= ratio <= kMostMerged.
  TokenMerging(const torch::Tensor& x, int64_t height, int64_t width, double ratio);

  /// Tokens [R,T,C] → the sources that are left alone, then the targets, each the mean of itself
  /// and of what was merged into it: [R,T',C].
  torch::Tensor merge(const torch::Tensor& x) const;
  /// [R,T',C] → [R,T,C]: what was merged is what its target is.
  torch::Tensor unmerge(const torch::Tensor& x) const;

 private:
  torch::Tensor left_;     // [R,U] sources that are left alone, as places in the grid
  torch::Tensor merged_;   // [R,M] sources that are merged, likewise
  torch::Tensor into_;     // [R,M] the target of each, counted among targets
  torch::Tensor targets_;  // [D] places in the grid
  torch::Tensor found_;    // [R,T] where in the merged sequence each token of the grid is
};

}  // namespace sd
