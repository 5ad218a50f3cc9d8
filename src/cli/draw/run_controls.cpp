#include "cli/draw/run_controls.h"

#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

ControlOutcome::Layer layer_of(const ControlActs::Layer& layer) {
  const auto part = layer.part == UNetPart::kDown ? LayerName::Part::kDown
                    : layer.part == UNetPart::kUp ? LayerName::Part::kUp
                                                  : LayerName::Part::kMiddle;
  return {part, layer.block, layer.height, layer.width};
}

}  // namespace

RunControls::RunControls(const DrawPlan& plan) : plan_(plan), planned_(planned_controls(plan)) {
  for (const auto& control : planned_) acts_[control.kind] = std::make_shared<ControlActs>();
}

std::vector<std::shared_ptr<AttentionController>> RunControls::watched(
    const BatchControls& controls) {
  auto links = controls.links;
  const bool measures = plan_.options.json || plan_.options.verbose > 0;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto found = acts_.find(controls.kinds[i]);
    if (found == acts_.end() || controls.kinds[i] == WordControlKind::kLocalBlend) continue;
    links[i] = std::make_shared<ControlWatch>(links[i], found->second, measures);
  }
  return links;
}

void RunControls::note(const LocalBlend& blend) {
  const std::scoped_lock lock(blending_);
  for (const auto& mask : blend.masks()) {
    if (!mask.defined()) continue;
    editable_ += mask.to(at::kFloat).mean().item<double>();
    ++blended_;
  }
}

ControlOutcome RunControls::outcome_of(WordControlKind kind) const {
  ControlOutcome outcome;
  if (kind == WordControlKind::kLocalBlend) {
    if (blended_ > 0) outcome.editable = editable_ / static_cast<double>(blended_);
    return outcome;
  }
  const auto acts = acts_.at(kind)->summary();
  outcome.steps.assign(acts.steps.begin(), acts.steps.end());
  outcome.num_steps = acts.num_steps;
  for (const auto& layer : acts.layers) outcome.layers.push_back(layer_of(layer));
  outcome.all_cross = acts.everywhere;
  if (acts.measured > 0) {
    outcome.moved = acts.moved;
    outcome.most = acts.most;
  }
  if (acts.most_at) outcome.most_at = layer_of(*acts.most_at);
  return outcome;
}

void RunControls::report(RunWords& words) const {
  StandardOutput output;
  for (const auto& control : planned_) {
    const auto outcome = outcome_of(control.kind);
    if (plan_.options.json) output.line(control_json_line(control, &outcome));
    const auto idle = idle_notice(control, outcome);
    if (!idle.empty()) {
      words.say(plan_.label() + idle);
    } else if (plan_.options.verbose > 0) {
      words.say(plan_.label() + outcome_text(control, outcome));
    }
  }
}

}  // namespace sd::cli
