#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cli/draw/run_words.h"
#include "cli/plan/control_plan.h"
#include "cli/plan/control_report.h"
#include "sd/control/local_blend.h"
#include "sd/pipeline/control_watch.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/draw_acts.h"
#include "sd/pipeline/guide_watch.h"
#include "sd/pipeline/row_sharing.h"
#include "sd/pipeline/word_controls.h"

namespace sd::cli {

/// Watches what the controls and methods of a run do, over all of its batches and devices, so that
/// none does nothing without being named.
class RunControls {
 public:
  explicit RunControls(const DrawPlan& plan);

  /// The controls of a batch with a watch in front of each that changes attention.
  std::vector<std::shared_ptr<AttentionController>> watched(const BatchControls& controls);
  /// Puts a watch in front of each guide of a batch, and asks what its other methods do.
  void watch(DrawRequest& request);

  /// What a batch was drawn with, once it is drawn.
  void note(const LocalBlend& blend);
  void note(const DrawRequest& request);
  /// Where its pictures may change, [1 or N,1,h,w].
  void note_mask(const torch::Tensor& mask);
  /// Where regions count, [1,1,h,w] each, the base's before them where it has one.
  void note_regions(const std::vector<torch::Tensor>& maps);

  /// At the end of a run: lines on stdout with --json, on stderr with -v, and of those that changed
  /// nothing in any case.
  void report(RunWords& words) const;

 private:
  using Key = std::pair<ControlKind, std::size_t>;  // and which of several

  ControlActs* find(ControlKind kind, std::size_t number = 0) const;
  const ControlActs& acts_of(const PlannedControl& control) const;
  /// The guides of a request, in their order.
  std::vector<ControlKind> guides() const;
  ControlOutcome outcome_of(const PlannedControl& control) const;

  const DrawPlan& plan_;
  const std::vector<PlannedControl> planned_;
  const bool measures_;
  std::map<Key, std::shared_ptr<ControlActs>> acts_;  // of what is watched from outside
  std::shared_ptr<DrawActs> drawing_;                 // of what is not
  std::mutex summing_;
  double editable_ = 0;  // sum over pictures
  std::size_t blended_ = 0;
  std::map<ControlKind, int64_t> evaluations_;  // of guides
};

}  // namespace sd::cli
