#include "cli/draw/run_controls.h"

#include <algorithm>

#include "cli/plan/planned_masks.h"
#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

using enum ControlKind;

ControlOutcome::Layer layer_of(const ControlActs::Layer& layer) {
  const auto part = layer.part == UNetPart::kDown ? LayerName::Part::kDown
                    : layer.part == UNetPart::kUp ? LayerName::Part::kUp
                                                  : LayerName::Part::kMiddle;
  return {part, layer.block, layer.height, layer.width};
}

std::size_t concepts_of(const std::vector<PlannedControl>& planned) {
  return static_cast<std::size_t>(std::ranges::count(planned, kConcept, &PlannedControl::kind));
}

double mean_of(const torch::Tensor& mask) { return mask.to(at::kFloat).mean().item<double>(); }

bool is_seen(const torch::Tensor& map) { return map.max().item<float>() >= kSeenWeight; }

/// Tells the share of what a control did where it has one by its kind. A region that is seen in no
/// batch covers nothing.
void set_share(ControlOutcome& outcome, const PlannedControl& control,
               const ControlActs::Summary& acts) {
  if (control.covers) outcome.covers = *control.covers * acts.share.value_or(0);
  const auto kind = control.kind;
  if (kind == kMasaCtrlMask) outcome.covers = acts.share;
  if (kind == kMask || kind == kConcept) outcome.editable = acts.share;
}

}  // namespace

RunControls::RunControls(const DrawPlan& plan)
    : plan_(plan),
      planned_(planned_controls(plan)),
      measures_(plan.options.json || plan.options.verbose > 0),
      drawing_(std::make_shared<DrawActs>(measures_, concepts_of(planned_))) {
  for (const auto& control : planned_)
    acts_[{control.kind, control.number}] = std::make_shared<ControlActs>();
}

ControlActs* RunControls::find(ControlKind kind, std::size_t number) const {
  const auto found = acts_.find({kind, number});
  return found == acts_.end() ? nullptr : found->second.get();
}

std::vector<std::shared_ptr<AttentionController>> RunControls::watched(
    const BatchControls& controls) {
  auto links = controls.links;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto found = acts_.find({kind_of(controls.kinds[i]), 0});
    if (found == acts_.end() || controls.kinds[i] == WordControlKind::kLocalBlend) continue;
    links[i] = std::make_shared<ControlWatch>(links[i], found->second, measures_);
  }
  return links;
}

void RunControls::watch(DrawRequest& request) {
  const bool in_drawing = std::ranges::any_of(planned_, [](const PlannedControl& control) {
    return control.kind >= kMasaCtrl && control.kind != kBox && control.kind != kExcite;
  });
  if (in_drawing) request.acts = drawing_;
  const auto kinds = guides();
  for (std::size_t i = 0; i < request.guides.size() && i < kinds.size(); ++i) {
    auto& guide = request.guides[i];
    guide = std::make_shared<GuideWatch>(guide, acts_.at({kinds[i], 0}));
  }
}

/// As make_word_guides puts them.
std::vector<ControlKind> RunControls::guides() const {
  std::vector<ControlKind> kinds;
  for (const auto kind : {kBox, kExcite}) {
    if (find(kind) != nullptr) kinds.push_back(kind);
  }
  return kinds;
}

void RunControls::note(const LocalBlend& blend) {
  const std::scoped_lock lock(summing_);
  for (const auto& mask : blend.masks()) {
    if (!mask.defined()) continue;
    editable_ += mean_of(mask);
    ++blended_;
  }
}

void RunControls::note(const DrawRequest& request) {
  const auto kinds = guides();
  for (std::size_t i = 0; i < request.guides.size() && i < kinds.size(); ++i) {
    const auto& guide = request.guides[i];
    if (const auto* watch = dynamic_cast<const GuideWatch*>(guide.get())) watch->finish();
    const std::scoped_lock lock(summing_);
    evaluations_[kinds[i]] += guide->counts().evaluations;
  }
  auto* mask = find(kMasaCtrlMask);
  if (mask == nullptr || request.sharing == nullptr || request.sharing->masks == nullptr) return;
  const auto source = request.sharing->masks->map(RowGroup::Branch::kSource, 0);
  if (source.defined())
    mask->note_share(mean_of(source >= request.sharing->masactrl->mask_threshold));
}

void RunControls::note_mask(const torch::Tensor& mask) {
  if (auto* acts = find(kMask); acts != nullptr && mask.defined()) acts->note_share(mean_of(mask));
}

void RunControls::note_regions(const std::vector<torch::Tensor>& maps) {
  const std::size_t base = plan_.regions.base > 0 ? 1 : 0;
  for (std::size_t i = base; i < maps.size(); ++i) {
    if (auto* acts = find(kRegion, i - base)) acts->note_share(is_seen(maps[i]) ? 1 : 0);
  }
}

const ControlActs& RunControls::acts_of(const PlannedControl& control) const {
  switch (control.kind) {
    case kMasaCtrl:
    case kPlugAndPlay:
    case kAppearance:
    case kReference:
    case kStyleAligned:
      return drawing_->sharing;
    case kPlugAndPlayFeatures:
      return drawing_->features;
    case kConcept:
      return drawing_->concepts.at(control.number);
    case kInversion:
      return drawing_->path;
    case kProximal:
      return drawing_->proximal;
    default:
      return *acts_.at({control.kind, control.number});
  }
}

ControlOutcome RunControls::outcome_of(const PlannedControl& control) const {
  ControlOutcome outcome;
  if (control.kind == kLocalBlend) {
    if (blended_ > 0) outcome.editable = editable_ / static_cast<double>(blended_);
    return outcome;
  }
  const auto acts = acts_of(control).summary();
  outcome.steps.assign(acts.steps.begin(), acts.steps.end());
  outcome.num_steps = acts.num_steps;
  for (const auto& layer : acts.layers) outcome.layers.push_back(layer_of(layer));
  outcome.all_cross = acts.everywhere;
  set_share(outcome, control, acts);
  if (acts.first_loss) outcome.loss = {*acts.first_loss, *acts.last_loss};
  if (const auto found = evaluations_.find(control.kind); found != evaluations_.end())
    outcome.evaluations = found->second;
  if (acts.measured == 0) return outcome;
  if (control.kind == kProximal) {
    outcome.dropped = acts.moved;
    return outcome;
  }
  outcome.moved = acts.moved;
  outcome.most = acts.most;
  if (acts.most_at) outcome.most_at = layer_of(*acts.most_at);
  return outcome;
}

void RunControls::report(RunWords& words) const {
  StandardOutput output;
  for (const auto& control : planned_) {
    const auto outcome = outcome_of(control);
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
