#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cli/draw/run_words.h"
#include "cli/plan/control_plan.h"
#include "cli/plan/control_report.h"
#include "sd/control/local_blend.h"
#include "sd/pipeline/control_watch.h"
#include "sd/pipeline/word_controls.h"

namespace sd::cli {

/// Watches what the controls of a run do, over all of its batches and devices, so that none does
/// nothing without being named.
class RunControls {
 public:
  explicit RunControls(const DrawPlan& plan);

  /// The controls of a batch with a watch in front of each that changes attention.
  std::vector<std::shared_ptr<AttentionController>> watched(const BatchControls& controls);
  /// A batch was drawn under this blend.
  void note(const LocalBlend& blend);

  /// At the end of a run: lines on stdout with --json, on stderr with -v, and of those that changed
  /// nothing in any case.
  void report(RunWords& words) const;

 private:
  ControlOutcome outcome_of(WordControlKind kind) const;

  const DrawPlan& plan_;
  const std::vector<PlannedControl> planned_;
  std::map<WordControlKind, std::shared_ptr<ControlActs>> acts_;  // of each that is planned
  std::mutex blending_;
  double editable_ = 0;  // sum over pictures
  std::size_t blended_ = 0;
};

}  // namespace sd::cli
