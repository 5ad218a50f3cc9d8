#pragma once

#include <torch/types.h>

#include <memory>
#include <utility>
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

/// Several edits as one, made in order.
class LatentEditChain final : public LatentEdit {
 public:
  explicit LatentEditChain(std::vector<std::shared_ptr<LatentEdit>> edits)
      : edits_(std::move(edits)) {}

  torch::Tensor edit(torch::Tensor x, const StepInfo& step,
                     const std::vector<RowGroup>& rows) override {
    for (const auto& edit : edits_) x = edit->edit(std::move(x), step, rows);
    return x;
  }

 private:
  std::vector<std::shared_ptr<LatentEdit>> edits_;
};

}  // namespace sd
