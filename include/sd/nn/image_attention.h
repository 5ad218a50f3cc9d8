#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// Keys and values that a picture has in one cross-attention layer, [R,T,heads·d] for the rows of a
/// call, and how much what is found there counts.
struct ImageKeys {
  torch::Tensor keys, values;
  double weight = 1;
};

/// What cross-attention looks at beside the prompt, each by itself (decoupled cross-attention,
/// arXiv:2308.06721, eq. 5): Attn(q, prompt) + Σ weight · Attn(q, picture). For calls of one number
/// of rows; must stay while a PromptCache knows it.
class ImageAttention {
 public:
  void add(const AttentionSite& site, ImageKeys keys);
  /// Of a layer; null: nothing.
  const std::vector<ImageKeys>* of(const AttentionSite& site) const;

 private:
  using Place = std::array<int64_t, 3>;  // part, block, depth
  static Place place_of(const AttentionSite& site);

  std::map<Place, std::vector<ImageKeys>> layers_;
};

}  // namespace sd
