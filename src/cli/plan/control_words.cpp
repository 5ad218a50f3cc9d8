#include "cli/plan/control_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cli/options/given_options.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// The option that fills a field.
std::string option_label(std::string_view field) {
  if (field == "source") return "--sprompt";
  return field == "targets" ? "--prompt" : "--" + dashed(field);
}

void forbid(bool given, std::string_view option, std::string_view why) {
  if (given) throw UsageError(fmt::format("--{}: {}", option, why));
}

/// What restricts a control is a mistake where there is none.
void check_restrictions(const DrawOptions& options, bool swaps) {
  const auto& control = options.control;
  forbid(control.reweight_steps.has_value() && control.reweight.empty(), "reweight-steps",
         "says when --reweight holds, which is not given");
  forbid(options.swap.tthres > 0 && !swaps, "tthres",
         "says when to swap, and there is no source: give --sprompt");
  if (swaps || !control.reweight.empty()) return;
  constexpr std::string_view kIdle = "restricts attention control, and none is asked for";
  forbid(!control.parts.empty(), "layers", kIdle);
  forbid(!control.resolutions.empty(), "res", kIdle);
  forbid(!control.heads.empty(), "heads", kIdle);
  forbid(control.both_rows.has_value(), "rows", kIdle);
}

}  // namespace

ControlWords words_of(const DrawOptions& options) {
  return {options.swap, options.control.reweight};
}

void check_controls(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                    const std::vector<PromptSet>& watched, const Tokenizer& tokenizer) {
  const auto samples = static_cast<std::size_t>(options.n_samples);
  for (const auto& weight : options.control.reweight) {
    if (weight.values.size() != 1 && weight.values.size() != samples) {
      throw UsageError(
          fmt::format("--reweight: '{}' has {} values for {} samples\nGive one value, or one for "
                      "each: --n_samples {}.",
                      weight.word, weight.values.size(), samples, weight.values.size()));
    }
  }
  const bool takes_maps = options.swap.mode != SwapMode::kNone;
  check_restrictions(options, takes_maps && std::ranges::any_of(prompts, [](const PromptSet& set) {
                                return set.source.has_value();
                              }));
  auto words = words_of(options);
  ControlWords weights;
  weights.reweight = std::exchange(words.reweight, {});
  for (const auto& set : prompts) {
    check_words(words, {set.targets, set.source}, tokenizer, option_label);
  }
  for (const auto& set : watched) {
    check_words(weights, {set.targets, set.source}, tokenizer, option_label);
  }
}

}  // namespace sd::cli
