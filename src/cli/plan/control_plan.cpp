#include "cli/plan/control_plan.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "cli/plan/method_plan.h"

namespace sd::cli {
namespace {

using enum MatchedWord::Where;

constexpr int64_t kStatedSide = 64;  // of latents, for which --self-max-res and --blend-res hold

bool is_off(const StepShare& steps) { return steps.begin == steps.end; }

/// From the first step of both to the last; where one is off the other.
StepShare around(const StepShare& one, const StepShare& other) {
  if (is_off(one)) return other;
  if (is_off(other)) return one;
  return {std::min(one.begin, other.begin), std::max(one.end, other.end)};
}

/// The steps of both, 0:0 where there are none.
StepShare within(const StepShare& one, const StepShare& other) {
  const StepShare both{std::max(one.begin, other.begin), std::min(one.end, other.end)};
  return both.begin < both.end ? both : StepShare{0, 0};
}

class ControlPlanner {
 public:
  explicit ControlPlanner(const DrawPlan& plan)
      : plan_(plan), layers_(attention_layers(plan.model->config.unet)) {}

  std::vector<PlannedControl> all() {
    if (plan_.prompts.swaps()) {
      if (swap().mode == SwapMode::kFork) {
        add_fork_swap();
      } else if (swap().mode == SwapMode::kPromptToPrompt) {
        add_cross();
        add_self();
      }
    }
    add_reweight();
    if (plan_.prompts.swaps() && swap().blends()) add_blend();
    add_sharing(plan_, planned_);
    add_guides(plan_, planned_);
    add_places(plan_, planned_);
    add_inversion(plan_, planned_);
    return std::move(planned_);
  }

 private:
  const SwapOptions& swap() const { return plan_.options.swap; }

  std::vector<AttentionLayer> chosen(const std::function<bool(const AttentionLayer&)>& also) const {
    const auto& control = plan_.options.control;
    const int64_t side = std::min(plan_.width(), plan_.height()) / plan_.options.f;
    std::vector<AttentionLayer> found;
    for (const auto& layer : layers_) {
      const auto& parts = control.parts;
      const auto& sides = control.resolutions;
      const bool in_part =
          parts.empty() || std::ranges::find(parts, name_of(layer.part)) != parts.end();
      const bool in_side =
          sides.empty() || std::ranges::find(sides, side_of_layer(layer, side)) != sides.end();
      if (in_part && in_side && also(layer)) found.push_back(layer);
    }
    return found;
  }

  static PlannedControl control(ControlKind kind, const char* option) {
    PlannedControl made;
    made.kind = kind;
    made.option = option;
    return made;
  }

  void add(PlannedControl control, const std::function<bool(const AttentionLayer&)>& also) {
    control.layers = chosen(also);
    control.of_layers = layers_.size();
    planned_.push_back(std::move(control));
  }

  void add_fork_swap() {
    auto fork = control(ControlKind::kForkSwap, "--sprompt");
    fork.tthres = swap().tthres;
    add(std::move(fork), any);
  }

  /// When tokens that --cross-steps does not name follow the source.
  StepShare cross_steps_of_all() const {
    StepShare all = kDefaultCrossSteps;
    for (const auto& [word, steps] : swap().cross_steps) {
      if (word.empty()) all = steps;
    }
    return all;
  }

  /// When `word` does: the last that is said of it.
  StepShare cross_steps_of(const std::string& word) const {
    StepShare found = cross_steps_of_all();
    for (const auto& [named, steps] : swap().cross_steps) {
      if (named == word) found = steps;
    }
    return found;
  }

  void add_cross() {
    auto cross = control(ControlKind::kCross, "--cross-steps");
    cross.steps = cross_steps_of_all();
    for (const auto& [word, steps] : swap().cross_steps) {
      if (word.empty()) continue;
      cross.steps = around(cross.steps, steps);
      match(cross, word, kTarget);
    }
    for (const auto& word : swap().cross_box) match(cross, word, kSource);
    if (!is_off(cross.steps)) add(std::move(cross), any);
  }

  void add_self() {
    const auto steps = swap().self_steps.value_or(kDefaultSelfSteps);
    if (is_off(steps)) return;
    const int64_t side = swap().self_max_res.value_or(kDefaultSelfMaxRes);
    const int64_t least = (kStatedSide + side - 1) / side;
    auto self = control(ControlKind::kSelf, "--self-steps");
    self.steps = steps;
    add(std::move(self),
        [least](const AttentionLayer& layer) { return layer.downsampling >= least; });
  }

  void add_reweight() {
    const auto& options = plan_.options.control;
    auto reweight = control(ControlKind::kReweight, "--reweight");
    for (const auto& [word, values] : options.reweight) {
      if (std::ranges::all_of(values, [](double value) { return value == 1; })) continue;
      match(reweight, word, kTarget);
    }
    const auto steps = options.reweight_steps.value_or(StepShare{});
    if (reweight.words.empty() || is_off(steps)) return;
    reweight.steps = steps;
    // Weighed with the source's attention, as published, or not at all.
    reweight.follows_cross = plan_.prompts.swaps() && swap().mode == SwapMode::kPromptToPrompt;
    if (reweight.follows_cross) {
      reweight.steps = {0, 0};
      for (const auto& matched : reweight.words)
        reweight.steps = around(reweight.steps, within(steps, cross_steps_of(matched.word)));
    }
    add(std::move(reweight), any);
  }

  void add_blend() {
    auto blend =
        control(ControlKind::kLocalBlend, swap().blend_mask ? "--blend-mask" : "--local-blend");
    for (const auto* words : {&swap().local_blend, &swap().blend_except}) {
      for (const auto& word : *words) {
        match(blend, word, kTarget);
        match(blend, word, kSource);
      }
    }
    blend.steps = {swap().blend_start.value_or(kDefaultBlendStart), 1};
    // It watches whatever --layers and --res restrict the others to.
    blend.of_layers = layers_.size();
    const int64_t factor = kStatedSide / swap().blend_res.value_or(kDefaultBlendRes);
    for (const auto& layer : layers_) {
      const bool watched = !swap().blend_mask && layer.downsampling == factor &&
                           layer.part != LayerName::Part::kMiddle;
      if (watched) blend.layers.push_back(layer);
    }
    planned_.push_back(std::move(blend));
  }

  void match(PlannedControl& control, const std::string& word, MatchedWord::Where where) const {
    cli::match(control.words, plan_, word, where);
  }

  static bool any(const AttentionLayer&) { return true; }

  const DrawPlan& plan_;
  const std::vector<AttentionLayer> layers_;
  std::vector<PlannedControl> planned_;
};

}  // namespace

ControlKind kind_of(WordControlKind kind) {
  switch (kind) {
    case WordControlKind::kForkSwap:
      return ControlKind::kForkSwap;
    case WordControlKind::kCross:
      return ControlKind::kCross;
    case WordControlKind::kSelf:
      return ControlKind::kSelf;
    case WordControlKind::kReweight:
      return ControlKind::kReweight;
    case WordControlKind::kLocalBlend:
      break;
  }
  return ControlKind::kLocalBlend;
}

std::vector<PlannedControl> planned_controls(const DrawPlan& plan) {
  return ControlPlanner(plan).all();
}

}  // namespace sd::cli
