#include "cli/plan/control_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "sd/text/words.h"

namespace sd::cli {
namespace {

/// Whether any of the prompts has the word; the last error of those that have it not.
bool any_has(std::string_view option, const std::vector<std::string>& prompts,
             const std::string& word, const Tokenizer& tokenizer, std::string& problem) {
  for (const auto& prompt : prompts) {
    try {
      word_positions(option, prompt, word, tokenizer);
      return true;
    } catch (const UsageError& error) {
      problem = error.what();
    }
  }
  return false;
}

/// What is said of a word that neither source nor targets have: with the words of each.
std::string in_no_prompt(std::string_view option, const std::string& word, const PromptSet& prompts,
                         const Tokenizer& tokenizer) {
  auto text = fmt::format("{}: '{}' is in no prompt", option, word);
  const auto add = [&](const char* name, const std::string& prompt) {
    text += fmt::format("\n{} has the words: {}", name,
                        PromptWords(prompt, tokenizer.encode(prompt)).list());
  };
  if (prompts.source) add("--sprompt", *prompts.source);
  for (const auto& target : prompts.targets) add("--prompt", target);
  return text;
}

void check_swap_words(const SwapOptions& swap, const PromptSet& prompts,
                      const Tokenizer& tokenizer) {
  std::vector<std::string> sources, all = prompts.targets;
  if (prompts.source) sources.push_back(*prompts.source);
  all.insert(all.end(), sources.begin(), sources.end());
  const auto check = [&](std::string_view option, const std::vector<std::string>& words,
                         const std::vector<std::string>& in) {
    for (const auto& word : words) {
      std::string problem;
      if (any_has(option, in, word, tokenizer, problem)) continue;
      throw UsageError(in.size() == 1 ? problem : in_no_prompt(option, word, prompts, tokenizer));
    }
  };
  if (prompts.source) check("--cross-box takes a word of the source", swap.cross_box, sources);
  check("--local-blend", swap.local_blend, all);
  check("--blend-except", swap.blend_except, all);
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

std::vector<int64_t> word_positions(std::string_view option, const std::string& prompt,
                                    const std::string& word, const Tokenizer& tokenizer) {
  const auto tokens = tokenizer.encode(prompt);
  try {
    return PromptWords(tokenizer.readable(prompt), tokens).find(word);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", option, error.what()));
  }
}

void check_controls(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                    const Tokenizer& tokenizer) {
  const auto samples = static_cast<std::size_t>(options.n_samples);
  for (const auto& weight : options.control.reweight) {
    if (weight.values.size() != 1 && weight.values.size() != samples) {
      throw UsageError(
          fmt::format("--reweight: '{}' has {} values for {} samples\nGive one value, or one for "
                      "each: --n_samples {}.",
                      weight.word, weight.values.size(), samples, weight.values.size()));
    }
  }
  check_restrictions(options, std::any_of(prompts.begin(), prompts.end(), [](const PromptSet& set) {
                       return set.source.has_value();
                     }));
  for (const auto& set : prompts) {
    for (const auto& weight : options.control.reweight) {
      std::string problem;
      if (!any_has("--reweight", set.targets, weight.word, tokenizer, problem)) {
        throw UsageError(problem);
      }
    }
    for (const auto& steps : options.swap.cross_steps) {
      std::string problem;
      if (!steps.word.empty() &&
          !any_has("--cross-steps", set.targets, steps.word, tokenizer, problem)) {
        throw UsageError(problem);
      }
    }
    check_swap_words(options.swap, set, tokenizer);
  }
}

}  // namespace sd::cli
