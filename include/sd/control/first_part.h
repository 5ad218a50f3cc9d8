#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// Shows a controller the rows of composed prompts' first parts alone, and those without a prompt:
/// what takes attention from one prompt to one leaves the prompts of regions as they are.
class FirstPart final : public AttentionController {
 public:
  explicit FirstPart(std::shared_ptr<AttentionController> controller)
      : controller_(std::move(controller)) {}

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  bool observes(const RowGroup& rows, const AttentionCall& call) const override;
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  std::shared_ptr<AttentionController> controller_;
};

}  // namespace sd
