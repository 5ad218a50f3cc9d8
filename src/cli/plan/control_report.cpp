#include "cli/plan/control_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/shell/json_lines.h"
#include "sd/image/infotext.h"

namespace sd::cli {
namespace {

using nlohmann::ordered_json;

const char* control_name(WordControlKind kind) {
  switch (kind) {
    case WordControlKind::kForkSwap:
      return "fork-swap";
    case WordControlKind::kCross:
      return "cross-attention";
    case WordControlKind::kSelf:
      return "self-attention";
    case WordControlKind::kReweight:
      return "reweight";
    case WordControlKind::kLocalBlend:
      break;
  }
  return "local-blend";
}

/// "1 to 40", "1 to 4 and 9": of steps that are counted from 0, in order.
std::string runs_text(const std::vector<int64_t>& steps) {
  std::vector<std::string> runs;
  for (std::size_t i = 0; i < steps.size();) {
    std::size_t end = i;
    while (end + 1 < steps.size() && steps[end + 1] == steps[end] + 1) ++end;
    runs.push_back(i == end ? fmt::format("{}", steps[i] + 1)
                            : fmt::format("{} to {}", steps[i] + 1, steps[end] + 1));
    i = end + 1;
  }
  return fmt::format("{}", fmt::join(runs, ", "));
}

std::string word_text(const MatchedWord& word) {
  return fmt::format("{}{} ({} {}{})", word.in_source ? "the source's " : "", word.word,
                     word.tokens.size() == 1 ? "token" : "tokens", fmt::join(word.tokens, ", "),
                     word.prompts > 1 ? fmt::format("; in {} prompts", word.prompts) : "");
}

/// "--reweight cat (token 2), dog (token 5)"
std::string title(const PlannedControl& control) {
  std::vector<std::string> words;
  for (const auto& word : control.words) words.push_back(word_text(word));
  return fmt::format("{}{}{}", control.option, words.empty() ? "" : " ", fmt::join(words, ", "));
}

/// "up 5 (16x16)"
std::string layer_text(const ControlOutcome::Layer& layer) {
  return fmt::format("{} {} ({}x{})", name_of(layer.part), layer.block, layer.width, layer.height);
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
          {"editable", or_null(outcome.editable)}};
}

}  // namespace

std::string control_json_line(const PlannedControl& control, const ControlOutcome* outcome) {
  ordered_json words = ordered_json::array();
  for (const auto& word : control.words) {
    words.push_back({{"word", word.word},
                     {"branch", word.in_source ? "source" : "target"},
                     {"prompts", word.prompts},
                     {"tokens", word.tokens}});
  }
  ordered_json line = {{"control", control_name(control.kind)},
                       {"option", control.option},
                       {"words", words},
                       {"share", {control.steps.begin, control.steps.end}},
                       {"planned_layers", control.layers.size()},
                       {"model_layers", control.of_layers}};
  if (outcome) line.update(outcome_json(*outcome));
  return json_line_of("control", line);
}

std::string planned_text(const PlannedControl& control) {
  const auto steps = control.kind == WordControlKind::kForkSwap && control.tthres > 0
                         ? fmt::format("timesteps from {}", number_text(control.tthres))
                     : control.steps == StepShare{}
                         ? std::string("all steps")
                         : fmt::format("{} to {} of the steps", number_text(control.steps.begin),
                                       number_text(control.steps.end));
  const bool looks = control.kind == WordControlKind::kLocalBlend;
  if (looks && control.layers.empty()) return fmt::format("{}: {}", title(control), steps);
  return fmt::format("{}: {}, {}{} of {} layers", title(control), steps, looks ? "looks at " : "",
                     control.layers.size(), control.of_layers);
}

std::string outcome_text(const PlannedControl& control, const ControlOutcome& outcome) {
  if (outcome.editable) {
    return fmt::format("{}: {:.1f} % of the picture could differ from the source", title(control),
                       100 * *outcome.editable);
  }
  const auto where = outcome.all_cross
                         ? std::string("all cross-attention")
                         : fmt::format("{} of {} layers", outcome.layers.size(), control.of_layers);
  auto text = fmt::format("{}: changed steps {} of {}, {}", title(control),
                          runs_text(outcome.steps), outcome.num_steps, where);
  if (outcome.moved) text += fmt::format("; moved {:.1f} % of attention", 100 * *outcome.moved);
  if (outcome.most_at)
    text +=
        fmt::format(", at most {:.1f} % in {}", 100 * *outcome.most, layer_text(*outcome.most_at));
  return text;
}

std::string idle_notice(const PlannedControl& control, const ControlOutcome& outcome) {
  if (outcome.editable) {
    if (*outcome.editable == 0) {
      return fmt::format(
          "{}: no pixel could differ from the source, so the edit is lost\nLower "
          "--blend-threshold, or name words that the picture shows.",
          title(control));
    }
    if (*outcome.editable < 1) return {};
    return fmt::format("{}: every pixel could differ from the source, so it kept nothing",
                       title(control));
  }
  if (outcome.acted()) return {};
  if (control.layers.empty()) {
    return fmt::format("{}: changed nothing: --layers, --res and the model leave it no layer",
                       title(control));
  }
  const auto share = control.steps;
  if (outcome.num_steps == 0) {
    return fmt::format(
        "{}: changed nothing: {}", title(control),
        control.tthres > 0
            ? fmt::format("no step begins at timestep {} or above", number_text(control.tthres))
            : fmt::format("{}:{} of so few steps is none", number_text(share.begin),
                          number_text(share.end)));
  }
  return fmt::format("{}: changed nothing: attention was the same with it", title(control));
}

}  // namespace sd::cli
