#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/control/latent_edit.h"

namespace sd {

/// Where a target may differ from its source, by a mask that somebody drew: after every step the
/// latents become m·x_target + (1−m)·x_source. So they are the source's to the bit where the mask
/// is 0. A graded mask says how much a pixel may change instead (differential diffusion,
/// arXiv:2306.00950, algorithm 1, with the source's latents where the paper has the picture made
/// noisy): of n steps a pixel of strength m takes part in the last n·m, before them it is the
/// source's to the bit. Put it behind other edits (LatentEditChain).
class MaskedSwap final : public LatentEdit {
 public:
  /// [1 or N,1,h,w] in [0,1], 1 = may differ. Throws UsageError for values outside.
  explicit MaskedSwap(torch::Tensor mask, bool graded = false);

  /// Throws UsageError without a source, or where the mask has another shape.
  torch::Tensor edit(torch::Tensor x, const StepInfo& step,
                     const std::vector<RowGroup>& rows) override;

 private:
  torch::Tensor mask_;
  bool graded_;
};

}  // namespace sd
