#pragma once

#include <torch/types.h>

#include <functional>

#include "sd/text/alignment.h"

namespace sd {

/// Carries attention from a source's tokens to a target's. Runs of neighbouring tokens are copied
/// as they stand, so that no index tensor has to follow the probabilities to their device; only
/// tokens made of several are multiplied.
class TokenTransfer {
 public:
  /// Throw UsageError where sizes differ, an index is out of range or a mask is neither 0 nor 1.
  explicit TokenTransfer(const TokenAlignment& alignment);
  explicit TokenTransfer(const TokenRefinement& refinement);
  explicit TokenTransfer(const WordReplacement& replacement);

  /// Overwrites target [...,K] in place from source (same shape) at the tokens where `active`.
  void apply(const torch::Tensor& target, const torch::Tensor& source,
             const std::function<bool(int64_t token)>& active) const;

 private:
  struct Copy {
    int64_t target, source, length;
  };
  void add_copies(const std::vector<double>& mask, const std::vector<int64_t>& indices);
  void add_copy(int64_t target, int64_t source);

  int64_t tokens_;
  std::vector<Copy> copies_;
  std::vector<int64_t> mixed_tokens_;
  std::vector<double> mixed_weights_;  // [K, mixed tokens]
};

}  // namespace sd
