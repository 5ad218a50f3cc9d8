#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd::train {

/// Teaches cross-attention to look where the words' things are: in the layers at full and half
/// latent size, the mean over heads of the attention paid to a word (its tokens together) is
/// compared per pixel with the word's mask, by cross-entropy. Object and tint words have the
/// object's mask as their target, the background's word what no object covers; the masks are known
/// since the scenes are composed.
class AttentionSupervision final : public AttentionController {
 public:
  /// groups [N,77] uint8 (TokenGroup), masks [N,2,h,w] uint8.
  AttentionSupervision(const torch::Tensor& groups, const torch::Tensor& masks);

  AttentionUse use(const AttentionCall& call) const override;
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

  /// Mean over the layers seen so far; differentiable.
  torch::Tensor loss() const;

 private:
  struct Level {
    int64_t height = 0;
    torch::Tensor targets;  // [N,Q,groups] in [0,1]: what share of the pixel the word's thing has
  };
  torch::Tensor members_;  // [N,77,groups] one where the token belongs to the group
  torch::Tensor present_;  // [N,1,groups] one where the caption has such a word
  std::vector<Level> levels_;
  std::vector<torch::Tensor> losses_;
};

}  // namespace sd::train
