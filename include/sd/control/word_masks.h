#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"

namespace sd {

struct WordMaskOptions {
  PerRow<std::vector<int64_t>> target_words = {{}};  // token positions
  PerRow<std::vector<int64_t>> source_words = {{}};  // a row a sample, or one for all
  /// Which layers are watched: those in which one pixel stands for so many latent pixels a side.
  int64_t downsampling = 4;
};

/// What each pixel pays to chosen words in the UNet call that runs, so far: their probabilities,
/// summed over words, mean over heads and over the cross-attention layers of one size, stretched to
/// 0 to 1 row by row, as MasaCtrl's code does (arXiv:2304.08465, section 3.4). Put it at the end of
/// a Chain, where it sees the applied maps. For one batch.
class WordMasks final : public AttentionController {
 public:
  /// Throws UsageError for empty lists.
  explicit WordMasks(WordMaskOptions options);

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo&, const std::vector<RowGroup>&) const override {
    return StepUse::kOther;
  }
  /// Throws UsageError for prompts that are put together with AND.
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;

  int64_t downsampling() const { return options_.downsampling; }
  /// [N,h,w] float32 in [0,1], of the rows of one branch; undefined where no layer of that size has
  /// run in this call. A map that is the same everywhere is 0.
  torch::Tensor map(RowGroup::Branch branch, int64_t target) const;

 private:
  struct Watched {
    RowGroup::Branch branch;
    int64_t target;
    torch::Tensor sum;  // [N,h,w]
  };
  WordMaskOptions options_;
  int64_t step_ = -1, evaluation_ = -1;  // of what is watched
  std::vector<Watched> watched_;
};

}  // namespace sd
