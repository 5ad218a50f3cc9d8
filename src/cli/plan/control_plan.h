#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/plan/draw_plan.h"
#include "core/attention_layers.h"
#include "sd/core/step_share.h"
#include "sd/text/control_words.h"

namespace sd::cli {

/// Where a control found one of its words.
struct MatchedWord {
  std::string word;
  bool in_source = false;       // else in targets
  std::size_t prompts = 0;      // that have it, of those of the run that differ
  std::vector<int64_t> tokens;  // in the first of them
};

/// What one control of a run is to do, as far as the options, the prompts and the model's
/// configuration tell. Torch-free.
struct PlannedControl {
  WordControlKind kind = WordControlKind::kCross;
  std::string option;              // that asks for it: "--self-steps"
  std::vector<MatchedWord> words;  // none: it goes by none
  StepShare steps;                 // the fork's goes by timesteps: all
  double tthres = 0;               // of the fork's
  std::vector<AttentionLayer> layers;
  std::size_t of_layers = 0;  // that the model has of the kind
};

/// The controls of a plan whose size and model are settled, in the order in which they act. What
/// was turned off (steps 0:0, weights of 1) is none.
std::vector<PlannedControl> planned_controls(const DrawPlan& plan);

}  // namespace sd::cli
