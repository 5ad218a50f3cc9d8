#include "cli/plan/control_report.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cli/shell/json_lines.h"

namespace sd::cli {
namespace {

using nlohmann::ordered_json;

struct Name {
  ControlKind kind;
  const char* name;
};

constexpr std::array kNames = {
    Name{ControlKind::kForkSwap, "fork-swap"},
    Name{ControlKind::kCross, "cross-attention"},
    Name{ControlKind::kSelf, "self-attention"},
    Name{ControlKind::kReweight, "reweight"},
    Name{ControlKind::kLocalBlend, "local-blend"},
    Name{ControlKind::kMasaCtrl, "masactrl"},
    Name{ControlKind::kMasaCtrlMask, "masactrl-mask"},
    Name{ControlKind::kPlugAndPlay, "pnp"},
    Name{ControlKind::kPlugAndPlayFeatures, "pnp-features"},
    Name{ControlKind::kAppearance, "appearance"},
    Name{ControlKind::kReference, "reference"},
    Name{ControlKind::kStyleAligned, "style-aligned"},
    Name{ControlKind::kBox, "box"},
    Name{ControlKind::kExcite, "excite"},
    Name{ControlKind::kRegion, "region"},
    Name{ControlKind::kConcept, "concept"},
    Name{ControlKind::kMask, "mask"},
    Name{ControlKind::kInversion, "inversion"},
    Name{ControlKind::kProximal, "proximal"},
};

const char* control_name(ControlKind kind) {
  return std::ranges::find(kNames, kind, &Name::kind)->name;
}

const char* branch_name(MatchedWord::Where where) {
  return where == MatchedWord::Where::kSource   ? "source"
         : where == MatchedWord::Where::kTarget ? "target"
                                                : "itself";
}

ordered_json layer_json(const ControlOutcome::Layer& layer) {
  return {{"part", name_of(layer.part)},
          {"block", layer.block},
          {"width", layer.width},
          {"height", layer.height}};
}

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json outcome_json(const ControlOutcome& outcome) {
  ordered_json layers = ordered_json::array();
  for (const auto& layer : outcome.layers) layers.push_back(layer_json(layer));
  return {{"steps", outcome.steps},
          {"num_steps", outcome.num_steps},
          {"layers", outcome.all_cross ? ordered_json("cross-attention") : layers},
          {"moved", or_null(outcome.moved)},
          {"most", or_null(outcome.most)},
          {"most_at", outcome.most_at ? layer_json(*outcome.most_at) : ordered_json(nullptr)},
          {"editable", or_null(outcome.editable)},
          {"covers", or_null(outcome.covers)},
          {"dropped", or_null(outcome.dropped)},
          {"loss", outcome.loss
                       ? ordered_json{{"first", outcome.loss->first}, {"last", outcome.loss->last}}
                       : ordered_json(nullptr)},
          {"evaluations", or_null(outcome.evaluations)}};
}

}  // namespace

std::string control_json_line(const PlannedControl& control, const ControlOutcome* outcome) {
  ordered_json words = ordered_json::array();
  for (const auto& word : control.words) {
    words.push_back({{"word", word.word},
                     {"branch", branch_name(word.where)},
                     {"prompts", word.prompts},
                     {"tokens", word.tokens}});
  }
  ordered_json line = {
      {"control", control_name(control.kind)},
      {"option", control.option},
      {"subject", control.subject.empty() ? ordered_json(nullptr) : ordered_json(control.subject)},
      {"words", words},
      {"share", {control.steps.begin, control.steps.end}},
      {"planned_layers", control.layers.size()},
      {"model_layers", control.of_layers}};
  if (!outcome && control.covers) line["covers"] = *control.covers;
  if (!outcome && control.editable) line["editable"] = *control.editable;
  if (outcome) line.update(outcome_json(*outcome));
  return json_line_of("control", line);
}

}  // namespace sd::cli
