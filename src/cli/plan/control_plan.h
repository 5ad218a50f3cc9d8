#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/plan/draw_plan.h"
#include "cli/plan/matched_words.h"
#include "core/attention_layers.h"
#include "sd/core/step_share.h"
#include "sd/text/control_words.h"

namespace sd::cli {

/// All that a run says of itself what it did, in the order in which it is told.
enum class ControlKind {
  // controls of attention by words
  kForkSwap,
  kCross,
  kSelf,
  kReweight,
  kLocalBlend,
  // rows that look at other rows
  kMasaCtrl,
  kMasaCtrlMask,
  kPlugAndPlay,
  kPlugAndPlayFeatures,
  kAppearance,
  kReference,
  kStyleAligned,
  // guides by gradients
  kBox,
  kExcite,
  // where prompts hold, and where pictures may change
  kRegion,
  kConcept,
  kMask,
  // a source that a picture becomes
  kInversion,
  kProximal,
};

ControlKind kind_of(WordControlKind kind);

/// What one control of a run is to do, as far as the options, the prompts and the model's
/// configuration tell. Torch-free.
struct PlannedControl {
  ControlKind kind = ControlKind::kCross;
  std::size_t number = 0;          // of several of a kind
  std::string option;              // that asks for it: "--self-steps"
  std::string subject;             // a region's prompt, an inversion's method, a mask; empty: none
  std::vector<MatchedWord> words;  // none: it goes by none
  StepShare steps;                 // the fork's goes by timesteps: all
  bool follows_cross = false;      // weighs words only while they follow the source: --cross-steps
  double tthres = 0;               // of the fork's
  std::vector<AttentionLayer> layers;
  std::size_t of_layers = 0;     // that the model has of the kind; 0: it acts in none
  std::optional<double> covers;  // of a region: its share of the picture
  /// Of a mask, and of a blend by one: the share of the picture that may change, once find_shares
  /// (planned_masks.h) has told it.
  std::optional<double> editable;
};

/// The controls of a plan whose size and model are settled, in the order in which they act. What
/// was turned off (steps 0:0, weights of 1) is none.
std::vector<PlannedControl> planned_controls(const DrawPlan& plan);

}  // namespace sd::cli
