#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "pipeline/sampling_plan.h"
#include "sd/nn/attention_controller.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/row_sharing.h"

namespace sd {

/// What cross-image attention (arXiv:2311.03335) does to latents between steps: those of targets
/// take on mean and deviation of what they are to look like, channel by channel (AdaIN,
/// arXiv:1703.06868, eq. 8), object by object where masks say so.
class AppearanceStatistics {
 public:
  /// Throws UsageError for a picture that was inverted along other steps or in another size, and
  /// for masks of another shape or of fewer than two pixels.
  AppearanceStatistics(const LoadedModel& model, std::shared_ptr<const RowSharing> sharing,
                       const SamplingPlan& plan, at::IntArrayRef latents);

  torch::Tensor after(torch::Tensor x, const StepInfo& step,
                      const std::vector<RowGroup>& rows) const;

 private:
  std::shared_ptr<const RowSharing> sharing_;
  torch::Tensor path_;  // of the picture, [S+1,C,h,w] in the scale of the sampler; undefined: none
  torch::Tensor from_, onto_;  // objects [h,w]; undefined: all
};

}  // namespace sd
