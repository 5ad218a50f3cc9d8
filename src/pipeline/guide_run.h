#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "pipeline/batch_rows.h"
#include "pipeline/noise_model.h"
#include "pipeline/sampling_plan.h"

namespace sd {

/// The guides of one batch: asked before each step, target row by target row, so that a row's
/// latents do not depend on those drawn beside it.
class GuideRun {
 public:
  /// All are lent. Throws UsageError for what guides do not go with.
  GuideRun(const DrawRequest& request, const BatchRows& rows, const SamplingPlan& plan,
           std::shared_ptr<BatchNoiseModel> model);

  /// The latents x [B,4,h,w] of all rows, as the sampler has them, with which step `step` is to
  /// begin.
  torch::Tensor before(int64_t step, torch::Tensor x);

 private:
  torch::Tensor moved(const torch::Tensor& row, const GuidePlace& place);

  const DrawRequest& request_;
  BatchRows rows_;
  const SamplingPlan& plan_;
  std::shared_ptr<BatchNoiseModel> model_;
};

}  // namespace sd
