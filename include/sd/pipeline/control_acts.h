#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>

#include "sd/nn/attention_controller.h"

namespace sd {

/// What one control, or one method of editing, did over a run, gathered from all of its batches;
/// threads may share it.
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
    std::set<int64_t> steps;  // in which it changed something
    int64_t num_steps = 0;    // of a run
    std::set<Layer> layers;   // that it changed
    bool everywhere = false;  // in all cross-attention at once (column_edit.h), beside `layers`
    int64_t measured = 0;     // calls of a layer, or steps of a batch or row
    double moved = 0;         // in the mean over those; what it counts, its method says
    double most = 0;          // that one of them moved
    std::optional<Layer> most_at;
    std::optional<double> share;  // of pixels or differences, in the mean over those noted
    /// What a guide's loss was before it moved anything and at its end, in the mean over rows.
    std::optional<double> first_loss, last_loss;

    bool acted() const { return !steps.empty(); }
  };

  /// How much a call of a layer moved.
  void note(const AttentionCall& call, double moved);
  /// How much a step moved where that is no layer's affair: latents, predictions.
  void note(const StepInfo& step, double moved);
  /// It acted in a step, and nobody measures how much.
  void note_step(const StepInfo& step);
  /// A change of all cross-attention layers of a step, of which it is only known whether there is
  /// one.
  void note_everywhere(const StepInfo& step);
  void note_share(double share);
  void note_loss(double first, double last);
  bool acted() const;
  Summary summary() const;

 private:
  /// Whether it is one of those that moved; under the lock.
  bool count(const StepInfo& step, double moved);

  mutable std::mutex access_;
  Summary sums_;
  int64_t shares_ = 0, losses_ = 0;
};

}  // namespace sd
