// What is said of controls to a person.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "cli/plan/control_report.h"
#include "sd/core/guide_steps.h"
#include "sd/image/infotext.h"

namespace sd::cli {
namespace {

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
  return fmt::format("{}{} ({} {}{})",
                     word.where == MatchedWord::Where::kSource ? "the source's " : "", word.word,
                     word.tokens.size() == 1 ? "token" : "tokens", fmt::join(word.tokens, ", "),
                     word.prompts > 1 ? fmt::format("; in {} prompts", word.prompts) : "");
}

/// "--reweight cat (token 2), dog (token 5)", "--region \"a cat\"", "--edit +crown (token 1)"
std::string title(const PlannedControl& control) {
  std::vector<std::string> words;
  for (const auto& word : control.words) words.push_back(word_text(word));
  const auto named = fmt::format("{}", fmt::join(words, ", "));
  if (control.kind == ControlKind::kConcept)
    return fmt::format("{} {}{}", control.option, control.subject, named);
  auto subject = control.subject;
  if (control.kind == ControlKind::kRegion) subject = fmt::format("\"{}\"", subject);
  return fmt::format("{}{}{}{}{}", control.option, subject.empty() ? "" : " ", subject,
                     words.empty() ? "" : " ", named);
}

/// "up 5 (16x16)"
std::string layer_text(const ControlOutcome::Layer& layer) {
  return fmt::format("{} {} ({}x{})", name_of(layer.part), layer.block, layer.width, layer.height);
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

/// Whether it looks at layers rather than changing them.
bool looks(ControlKind kind) {
  using enum ControlKind;
  return kind == kLocalBlend || kind == kMasaCtrlMask || kind == kBox || kind == kExcite ||
         kind == kConcept;
}

bool shares_rows(ControlKind kind) {
  return kind >= ControlKind::kMasaCtrl && kind <= ControlKind::kStyleAligned;
}

/// What its `moved` is of, behind "moved … of"; empty: nothing that is said.
const char* moved_what(ControlKind kind) {
  using enum ControlKind;
  if (kind == kBox || kind == kExcite) return "moved latents by";
  if (kind == kConcept) return "moved the prediction by";
  return shares_rows(kind) ? "changed what layers find by" : "moved";
}

std::string steps_text(const PlannedControl& control) {
  if (control.kind == ControlKind::kForkSwap && control.tthres > 0)
    return fmt::format("timesteps from {}", number_text(control.tthres));
  if (control.steps == StepShare{}) return "all steps";
  const char* follows = control.follows_cross ? ", as --cross-steps" : "";
  if (control.steps.begin == control.steps.end) return fmt::format("no step{}", follows);
  return fmt::format("{} to {} of the steps{}", number_text(control.steps.begin),
                     number_text(control.steps.end), follows);
}

std::string may_change(const PlannedControl& control, double editable) {
  return fmt::format(
      "{} of the picture {}", percent(editable),
      control.kind == ControlKind::kLocalBlend ? "could differ from the source" : "may change");
}

/// Of those of which a share of the picture tells all; empty for others.
std::string share_text(const PlannedControl& control, const ControlOutcome& outcome) {
  using enum ControlKind;
  if ((control.kind == kLocalBlend || control.kind == kMask) && outcome.editable)
    return may_change(control, *outcome.editable);
  if (control.kind == ControlKind::kRegion && outcome.covers)
    return fmt::format("covers {} of the picture", percent(*outcome.covers));
  if (control.kind == ControlKind::kMasaCtrlMask && outcome.covers)
    return fmt::format("{} of the source is the object, kept apart", percent(*outcome.covers));
  return {};
}

std::string path_text(const PlannedControl& control, const ControlOutcome& outcome) {
  if (!outcome.moved) return "the source followed what is known of its noise";
  const bool back = control.subject == "direct";
  return fmt::format("after its steps the source was {} from its path, at most {}{}",
                     percent(*outcome.moved), percent(*outcome.most),
                     back ? ", and was put back" : "");
}

std::string nothing(const PlannedControl& control, const std::string& why) {
  return fmt::format("{}: changed nothing: {}", title(control), why);
}

/// A blend or a mask by which everything may change keeps nothing.
std::string idle_mask(const PlannedControl& control, double editable) {
  const bool blend = control.kind == ControlKind::kLocalBlend;
  if (editable == 0 && blend) {
    return fmt::format(
        "{}: no pixel could differ from the source, so the edit is lost\nLower "
        "--blend-threshold, or name words that the picture shows.",
        title(control));
  }
  if (editable == 0) return fmt::format("{}: no pixel may change", title(control));
  if (editable < 1) return {};
  return fmt::format("{}: every pixel {}, so it kept nothing", title(control),
                     blend ? "could differ from the source" : "may change");
}

std::string idle_cover(const PlannedControl& control, double covers) {
  if (control.kind == ControlKind::kRegion) {
    return covers > 0 ? std::string()
                      : fmt::format(
                            "{}: covers no pixel of the latents, so its prompt is drawn "
                            "nowhere",
                            title(control));
  }
  if (covers > 0 && covers < 1) return {};
  return fmt::format("{}: {} of the source is the object, so nothing was kept apart",
                     title(control), covers > 0 ? "all" : "no pixel");
}

/// Why a control that was never asked was not.
std::string why_never(const PlannedControl& control) {
  if (control.tthres > 0)
    return fmt::format("no step begins at timestep {} or above", number_text(control.tthres));
  if (control.kind == ControlKind::kStyleAligned && control.steps == StepShare{})
    return "a picture that is drawn alone has no other to follow; draw several at a time "
           "(--n_samples)";
  if (control.kind == ControlKind::kProximal)
    return "a guidance of 1, or a target with the source's prompt, leaves no difference to drop";
  return fmt::format("{}:{} of so few steps is none", number_text(control.steps.begin),
                     number_text(control.steps.end));
}

/// Why a guide left latents where they were.
std::string why_unmoved(ControlKind kind, const ControlOutcome& outcome) {
  const double loss = outcome.loss ? outcome.loss->first : 1;
  if (loss == 0) return "the words are looked at as asked from the start (a loss of 0)";
  if (kind == ControlKind::kBox && loss <= kBoxGuidanceEnough)
    return fmt::format("its loss is small enough from the start ({:.3g})", loss);
  return "latents were the same with it";
}

std::string why_same(const PlannedControl& control, const ControlOutcome& outcome) {
  using enum ControlKind;
  switch (control.kind) {
    case kBox:
    case kExcite:
      return why_unmoved(control.kind, outcome);
    case kReweight:
      return control.follows_cross && control.steps.begin == control.steps.end
                 ? "words are weighed while they follow the source, and --cross-steps leaves them "
                   "no step"
                 : "attention was the same with it";
    case kConcept:
      return "its masks left it no pixel";
    case kProximal:
      return "no difference was small enough to be dropped";
    default:
      return shares_rows(control.kind) ? "what rows find in the others, they find in themselves"
                                       : "attention was the same with it";
  }
}

std::string where_text(const PlannedControl& control, const ControlOutcome& outcome) {
  if (outcome.all_cross) return ", all cross-attention";
  if (looks(control.kind) || control.of_layers == 0) return {};
  return fmt::format(", {} of {} layers", outcome.layers.size(), control.of_layers);
}

}  // namespace

std::string planned_text(const PlannedControl& control) {
  if (control.covers)
    return fmt::format("{}: {} of the picture", title(control), percent(*control.covers));
  if (control.kind == ControlKind::kMask) {
    return fmt::format("{}: {}", title(control),
                       control.editable ? may_change(control, *control.editable)
                                        : "what may change is known once the model has looked");
  }
  if (control.editable) {
    return fmt::format("{}: {}, {}", title(control), steps_text(control),
                       may_change(control, *control.editable));
  }
  if (control.of_layers == 0 || (looks(control.kind) && control.layers.empty()))
    return fmt::format("{}: {}", title(control), steps_text(control));
  return fmt::format("{}: {}, {}{} of {} layers", title(control), steps_text(control),
                     looks(control.kind) ? "looks at " : "", control.layers.size(),
                     control.of_layers);
}

std::string outcome_text(const PlannedControl& control, const ControlOutcome& outcome) {
  if (const auto share = share_text(control, outcome); !share.empty())
    return fmt::format("{}: {}", title(control), share);
  if (control.kind == ControlKind::kInversion)
    return fmt::format("{}: {}", title(control), path_text(control, outcome));
  auto text = fmt::format("{}: changed steps {} of {}{}", title(control), runs_text(outcome.steps),
                          outcome.num_steps, where_text(control, outcome));
  if (outcome.dropped)
    return text + fmt::format("; dropped {} of the differences", percent(*outcome.dropped));
  if (outcome.moved) {
    text += fmt::format("; {} {}{}", moved_what(control.kind), percent(*outcome.moved),
                        control.kind < ControlKind::kLocalBlend ? " of attention" : "");
  }
  if (outcome.most_at)
    text += fmt::format(", at most {} in {}", percent(*outcome.most), layer_text(*outcome.most_at));
  if (outcome.editable) text += fmt::format("; in {} of the picture", percent(*outcome.editable));
  if (outcome.loss)
    text += fmt::format("; its loss went from {:.3g} to {:.3g}", outcome.loss->first,
                        outcome.loss->last);
  if (const auto n = outcome.evaluations)
    text += fmt::format(" in {} evaluation{}", *n, *n == 1 ? "" : "s");
  return text;
}

std::string idle_notice(const PlannedControl& control, const ControlOutcome& outcome) {
  using enum ControlKind;
  const auto kind = control.kind;
  if ((kind == kLocalBlend || kind == kMask) && outcome.editable)
    return idle_mask(control, *outcome.editable);
  if ((kind == kRegion || kind == kMasaCtrlMask) && outcome.covers)
    return idle_cover(control, *outcome.covers);
  if (outcome.acted() || kind == kInversion) return {};
  if (!looks(kind) && control.of_layers > 0 && control.layers.empty()) {
    return nothing(control, shares_rows(kind) ? "its settings leave it no layer of this model"
                                              : "--layers, --res and the model leave it no layer");
  }
  return nothing(control, outcome.num_steps == 0 ? why_never(control) : why_same(control, outcome));
}

}  // namespace sd::cli
