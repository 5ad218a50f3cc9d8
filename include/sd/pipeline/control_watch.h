#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "sd/nn/attention_controller.h"
#include "sd/pipeline/control_acts.h"

namespace sd {

/// Stands in front of one control and watches what it makes of attention. It changes nothing.
///
/// How much a call moved: ½ Σ_k |A'_k − A_k|, in the mean over the targets' conditional rows, heads
/// and pixels. Of probabilities that keep their sum it is the total variation distance: the share
/// of a pixel's attention that looks elsewhere.
class ControlWatch final : public AttentionController {
 public:
  /// With `measures` every call is measured, which takes a copy of its probabilities; else those
  /// up to the first that changed something.
  ControlWatch(std::shared_ptr<AttentionController> control, std::shared_ptr<ControlActs> acts,
               bool measures)
      : control_(std::move(control)), acts_(std::move(acts)), measures_(measures) {}

  AttentionUse use(const AttentionCall& call) const override { return control_->use(call); }
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override {
    return control_->step_use(step, rows);
  }
  bool observes(const RowGroup& rows, const AttentionCall& call) const override {
    return control_->observes(rows, call);
  }
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override {
    control_->observe(probs, rows, call);
  }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  std::shared_ptr<AttentionController> control_;
  std::shared_ptr<ControlActs> acts_;
  bool measures_;
};

}  // namespace sd
