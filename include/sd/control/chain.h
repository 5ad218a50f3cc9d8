#pragma once

#include <memory>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// Several controllers as one, asked in order: an observer sees what those before it have made of
/// the probabilities. A recorder at the front sees a prompt's own maps, at the end the applied
/// ones.
class Chain final : public AttentionController {
 public:
  explicit Chain(std::vector<std::shared_ptr<AttentionController>> links)
      : links_(std::move(links)) {}

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  bool observes(const RowGroup& rows, const AttentionCall& call) const override;
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  std::vector<std::shared_ptr<AttentionController>> links_;
};

}  // namespace sd
