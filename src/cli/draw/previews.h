#pragma once

#include <optional>

#include "cli/draw/preview_display.h"
#include "cli/draw/run_words.h"
#include "cli/plan/draw_plan.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

/// `--preview`: what a batch looks like so far.
class Previews {
 public:
  Previews(const DrawPlan& plan, const LoadedModel& model, RunWords& words);

  /// Whether any are asked for.
  bool shown() const { return display_.has_value(); }
  void begin_batch();
  /// A preview that cannot be written ends the previews, not the run.
  void show(const StepReport& step);

 private:
  const DrawPlan& plan_;
  const LoadedModel& model_;
  RunWords& words_;
  std::optional<PreviewDisplay> display_;
};

}  // namespace sd::cli
