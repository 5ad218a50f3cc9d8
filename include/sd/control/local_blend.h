#pragma once

#include <torch/types.h>

#include <optional>
#include <vector>

#include "sd/control/latent_edit.h"
#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// Token positions of the words that a blend goes by; may be empty.
using BlendTokens = std::vector<int64_t>;

struct LocalBlendOptions {
  PerRow<BlendTokens> target_words = {{}};
  PerRow<BlendTokens> source_words = {{}};    // a row a sample, or one for all
  PerRow<BlendTokens> except_targets = {{}};  // where these are looked at, nothing is edited
  PerRow<BlendTokens> except_source = {{}};
  double threshold = 0.3;  // of each mask's maximum
  double start = 0.2;      // fraction of the steps that run before it begins: int(start · steps)
  /// Which layers are watched: those in which one pixel stands for so many latent pixels a side. 4
  /// is the published choice, 16×16 of 64×64. 1 finds the finest outlines; a small model with few
  /// latent pixels needs it.
  int64_t downsampling = 4;
  /// Where the targets may differ, [1 or N,1,h,w] with 1 = edit; then words are not looked at.
  std::optional<torch::Tensor> mask = {};
};

/// Prompt-to-Prompt's local blend (arXiv:2208.01626, section 3.3 and its published code): outside
/// the places where the words are looked at, a target's latents become the source's, bit for bit.
/// It watches the cross-attention of the down and up layers of one size, summed over the steps so
/// far. Put it at the end of a Chain, where it sees applied maps as the published code does, and
/// into DrawSettings::latent_edit. For one batch.
class LocalBlend final : public AttentionController, public LatentEdit {
 public:
  /// Throws UsageError for empty lists, or thresholds or starts outside [0, 1].
  explicit LocalBlend(LocalBlendOptions options);

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;
  /// Throws UsageError without a source, or where no layer of that size was seen.
  torch::Tensor edit(torch::Tensor x, const StepInfo& step,
                     const std::vector<RowGroup>& rows) override;

  /// Where each target could differ from its source in the last step, [1 or N,1,h,w] bool; empty
  /// before the blend began.
  const std::vector<torch::Tensor>& masks() const { return masks_; }

 private:
  /// Attention to the words of one branch, summed over layers, heads and steps: [N,h,w].
  struct Watched {
    RowGroup::Branch branch;
    int64_t target;
    torch::Tensor words, except;
  };
  Watched& watched(const RowGroup& rows);
  torch::Tensor mask_of(const RowGroup& target, const RowGroup& source, const torch::Tensor& x);

  LocalBlendOptions options_;
  std::vector<Watched> watched_;
  std::vector<torch::Tensor> masks_;  // of each target
};

}  // namespace sd
