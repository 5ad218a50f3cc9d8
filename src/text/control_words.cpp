#include "sd/text/control_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "sd/core/error.h"
#include "sd/text/words.h"

namespace sd {
namespace {

constexpr int64_t kBlendReferenceSide = 64;  // latents of SD v1, for which its layers are stated

/// Whether any of the prompts has the word; the last error of those that have it not.
bool any_has(std::string_view field, const std::vector<std::string>& prompts,
             const std::string& word, const Tokenizer& tokenizer, std::string& problem) {
  for (const auto& prompt : prompts) {
    try {
      word_positions(field, prompt, word, tokenizer);
      return true;
    } catch (const UsageError& error) {
      problem = error.what();
    }
  }
  return false;
}

/// What is said of a word that neither source nor targets have: with the words of each.
std::string in_no_prompt(std::string_view field, const std::string& word, const PromptSet& prompts,
                         const Tokenizer& tokenizer, FieldLabel label) {
  auto text = fmt::format("{}: '{}' is in no prompt", field, word);
  const auto add = [&](std::string_view name, const std::string& prompt) {
    text += fmt::format("\n{} has the words: {}", name,
                        PromptWords(prompt, tokenizer.encode(prompt)).list());
  };
  if (prompts.source) add(label("source"), *prompts.source);
  for (const auto& target : prompts.targets) add(label("targets"), target);
  return text;
}

void check_swap_words(const ControlWords& words, const PromptSet& prompts,
                      const Tokenizer& tokenizer, FieldLabel label) {
  std::vector<std::string> sources, all = prompts.targets;
  if (prompts.source) sources.push_back(*prompts.source);
  all.insert(all.end(), sources.begin(), sources.end());
  const auto check = [&](std::string_view field, const std::vector<std::string>& wanted,
                         const std::vector<std::string>& in) {
    for (const auto& word : wanted) {
      std::string problem;
      if (any_has(field, in, word, tokenizer, problem)) continue;
      throw UsageError(in.size() == 1 ? problem
                                      : in_no_prompt(field, word, prompts, tokenizer, label));
    }
  };
  if (prompts.source) {
    check(fmt::format("{} takes a word of the source", label("cross_box")), words.cross_box,
          sources);
  }
  check(label("local_blend"), words.local_blend, all);
  check(label("blend_except"), words.blend_except, all);
}

}  // namespace

std::string own_label(std::string_view field) { return std::string(field); }

std::vector<int64_t> word_positions(std::string_view field, const std::string& prompt,
                                    const std::string& word, const Tokenizer& tokenizer) {
  const auto tokens = tokenizer.encode(prompt);
  try {
    return PromptWords(tokenizer.readable(prompt), tokens).find(word);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", field, error.what()));
  }
}

void check_words(const ControlWords& words, const PromptSet& prompts, const Tokenizer& tokenizer,
                 FieldLabel label) {
  const auto check = [&](std::string_view field, const std::string& word) {
    std::string problem;
    if (!any_has(field, prompts.targets, word, tokenizer, problem)) throw UsageError(problem);
  };
  for (const auto& weight : words.reweight) check(label("reweight"), weight.word);
  for (const auto& steps : words.cross_steps) {
    if (!steps.word.empty()) check(label("cross_steps"), steps.word);
  }
  check_swap_words(words, prompts, tokenizer, label);
}

int64_t default_blend_res(const ModelConfig& config, int64_t latent_side) {
  auto layers = config.unet.attention_resolutions;
  std::erase_if(layers, [](int64_t downsampling) {
    return downsampling < 1 || downsampling > kBlendReferenceSide / kPublishedBlendRes;
  });
  if (layers.empty()) return kPublishedBlendRes;
  std::sort(layers.begin(), layers.end(), std::greater<>());
  const auto fine = std::find_if(layers.begin(), layers.end(), [&](int64_t downsampling) {
    return latent_side / downsampling >= kPublishedBlendRes;
  });
  return kBlendReferenceSide / (fine != layers.end() ? *fine : layers.back());
}

}  // namespace sd
