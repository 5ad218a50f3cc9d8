#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// What one control did over a run, gathered from all of its batches; threads may share it.
class ControlActs {
 public:
  /// A layer as it was met.
  struct Layer {
    UNetPart part = UNetPart::kMiddle;
    int64_t block = 0, depth = 0;
    int64_t height = 0, width = 0;  // of the query grid

    auto key() const { return std::tuple(part, block, depth); }
    bool operator<(const Layer& other) const { return key() < other.key(); }
  };

  struct Summary {
    std::set<int64_t> steps;  // in which it changed attention
    int64_t num_steps = 0;    // of a run
    std::set<Layer> layers;   // that it changed
    bool everywhere = false;  // in all cross-attention at once (column_edit.h), beside `layers`
    int64_t measured = 0;     // attention calls
    double moved = 0;         // in the mean over those, see ControlWatch
    double most = 0;          // that one of them moved
    std::optional<Layer> most_at;

    bool acted() const { return !steps.empty(); }
  };

  void note(const AttentionCall& call, double moved);
  /// A change of all cross-attention layers of a step, of which it is only known whether there is
  /// one.
  void note_everywhere(const StepInfo& step);
  bool acted() const;
  Summary summary() const;

 private:
  mutable std::mutex access_;
  Summary sums_;
};

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
