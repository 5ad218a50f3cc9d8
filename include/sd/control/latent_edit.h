#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// Changes the latents between two sampler steps.
class LatentEdit {
 public:
  virtual ~LatentEdit() = default;
  /// x [B,4,h,w] as `step` left it → what the next step starts from, same shape. `rows` says which
  /// branch each row of x belongs to; all of them count as conditional.
  virtual torch::Tensor edit(torch::Tensor x, const StepInfo& step,
                             const std::vector<RowGroup>& rows) = 0;
};

}  // namespace sd
