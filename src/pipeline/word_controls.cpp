#include "sd/pipeline/word_controls.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "sd/control/fork_swap.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/reweight.h"
#include "sd/control/self_injection.h"
#include "sd/core/error.h"
#include "sd/text/alignment.h"

namespace sd {
namespace {

constexpr int64_t kReferenceSide = 64;  // latents of SD v1, for which self-max-res is stated

constexpr StepShare kPublishedCrossSteps{0, 0.8};

RowChoice rows_of(const WordControls& controls, RowChoice otherwise) {
  return controls.rows.value_or(otherwise);
}

/// The words that a sample's controls go by.
const ControlWords& words_of(const PromptSet& sample, const ControlWords& batch) {
  return sample.own != nullptr ? *sample.own : batch;
}

bool reweights(const WordControls& controls, const std::vector<PromptSet>& samples) {
  return std::ranges::any_of(samples, [&](const PromptSet& sample) {
    return !words_of(sample, controls).reweight.empty();
  });
}

/// Rows of a batch stand target by target: calls make(target prompt, its sample's set) for each.
template <typename Make>
auto for_each_row(const std::vector<PromptSet>& samples, Make make) {
  std::vector<decltype(make(samples.front().targets.front(), samples.front()))> rows;
  for (std::size_t target = 0; target < samples.front().targets.size(); ++target) {
    for (const auto& sample : samples) rows.push_back(make(sample.targets[target], sample));
  }
  return rows;
}

/// Positions of `word` in `prompt`, none where it is not: with several prompts each has its own
/// words, and check_words has seen to it that some prompt has it.
std::vector<int64_t> positions_if_there(const std::string& prompt, const std::string& word,
                                        const Tokenizer& tokenizer) {
  try {
    return word_positions("", prompt, word, tokenizer);
  } catch (const UsageError&) {
    return {};
  }
}

std::shared_ptr<AttentionController> make_fork_swap(const WordControls& controls,
                                                    const std::vector<PromptSet>& samples,
                                                    const Tokenizer& tokenizer) {
  ForkSwapOptions swap;
  swap.alignments = for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
    return align_ids(tokenizer.encode(*sample.source).ids, tokenizer.encode(target).ids);
  });
  swap.tthres = controls.tthres;
  swap.sites = controls.sites;
  swap.rows = rows_of(controls, RowChoice::kBoth);
  return std::make_shared<ForkSwap>(std::move(swap));
}

std::variant<TokenRefinement, WordReplacement> edit_of(const std::string& source,
                                                       const std::string& target,
                                                       const Tokenizer& tokenizer) {
  const auto from = tokenizer.encode(source), to = tokenizer.encode(target);
  // Words of prompts in chunks need not stand one behind the other, as replacement has them.
  const bool chunked = !from.positions.empty() || !to.positions.empty();
  const auto source_text = tokenizer.readable(source), target_text = tokenizer.readable(target);
  if (!chunked && prompt_to_prompt_mode(source_text, target_text) == AlignmentMode::kReplace) {
    return replace_words({source_text, from}, {target_text, to});
  }
  return refine_tokens(from, to);
}

/// When each token of `target` follows the source.
TokenSchedule schedule_of(const ControlWords& words, const std::string& target,
                          const Tokenizer& tokenizer) {
  StepShare all = kPublishedCrossSteps;
  for (const auto& steps : words.cross_steps) {
    if (steps.word.empty()) all = steps.steps;
  }
  const auto tokens = tokenizer.encode(target).ids.size();  // of all its parts
  std::vector<StepWindow> windows(std::max(tokens, static_cast<std::size_t>(tokenizer.length())),
                                  StepWindow::cross_steps(all.begin, all.end));
  for (const auto& [word, steps] : words.cross_steps) {
    if (word.empty()) continue;
    for (const int64_t position : positions_if_there(target, word, tokenizer)) {
      windows[static_cast<std::size_t>(position)] = StepWindow::cross_steps(steps.begin, steps.end);
    }
  }
  return {std::move(windows)};
}

std::shared_ptr<AttentionController> make_self_injection(const WordControls& controls) {
  const int64_t side = controls.self_max_res;
  SelfInjectionOptions self;
  self.steps = StepWindow::steps(controls.self_steps.begin, controls.self_steps.end);
  self.min_downsampling = (kReferenceSide + side - 1) / side;  // never a layer larger than asked
  self.sites = controls.sites;
  self.rows = rows_of(controls, RowChoice::kConditional);
  return std::make_shared<SelfInjection>(std::move(self));
}

/// Every word that is weighed in every row that has it: a value a sample, 1 where there is none.
std::vector<TokenWeight> weights_of(const WordControls& controls,
                                    const std::vector<PromptSet>& samples,
                                    const Tokenizer& tokenizer) {
  std::map<std::pair<int64_t, int64_t>, std::vector<double>> found;  // by target and token
  for (std::size_t i = 0; i < samples.size(); ++i) {
    for (const auto& weight : words_of(samples[i], controls).reweight) {
      for (std::size_t target = 0; target < samples.front().targets.size(); ++target) {
        const double value = weight.values.size() == 1 ? weight.values[0] : weight.values.at(i);
        for (const int64_t token :
             positions_if_there(samples[i].targets[target], weight.word, tokenizer)) {
          auto& values = found[{static_cast<int64_t>(target), token}];
          values.resize(samples.size(), 1.0);
          values[i] *= value;
        }
      }
    }
  }
  std::vector<TokenWeight> weights;
  for (auto& [place, values] : found) {
    weights.push_back({place.second, std::move(values), place.first});
  }
  return weights;
}

std::vector<int64_t> tokens_of(const std::string& prompt, const std::vector<std::string>& words,
                               const Tokenizer& tokenizer) {
  std::vector<int64_t> tokens;
  for (const auto& word : words) {
    const auto found = positions_if_there(prompt, word, tokenizer);
    tokens.insert(tokens.end(), found.begin(), found.end());
  }
  return tokens;
}

std::shared_ptr<LocalBlend> make_blend(const WordControls& controls,
                                       const std::vector<PromptSet>& samples,
                                       const Tokenizer& tokenizer) {
  using Words = std::vector<std::string> ControlWords::*;
  const auto of_targets = [&](Words words) {
    return for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
      return tokens_of(target, words_of(sample, controls).*words, tokenizer);
    });
  };
  const auto of_sources = [&](Words words) {
    PerRow<BlendTokens> rows;
    for (const auto& sample : samples) {
      rows.push_back(tokens_of(*sample.source, words_of(sample, controls).*words, tokenizer));
    }
    return rows;
  };
  LocalBlendOptions blend;
  blend.target_words = of_targets(&ControlWords::local_blend);
  blend.source_words = of_sources(&ControlWords::local_blend);
  blend.except_targets = of_targets(&ControlWords::blend_except);
  blend.except_source = of_sources(&ControlWords::blend_except);
  blend.threshold = controls.blend_threshold;
  blend.start = controls.blend_start;
  blend.downsampling = kReferenceSide / controls.blend_res.value_or(kPublishedBlendRes);
  blend.mask = controls.blend_mask;
  return std::make_shared<LocalBlend>(std::move(blend));
}

void require_latent_side(const char* field, int64_t side) {
  if (side >= 1 && side <= kReferenceSide) return;
  throw UsageError(fmt::format("{} is {}; it counts latent pixels of {}: 1 to {}", field, side,
                               kReferenceSide, kReferenceSide));
}

void check(const WordControls& controls, const std::vector<PromptSet>& samples) {
  if (samples.empty() || samples.front().targets.empty()) throw UsageError("no prompts given");
  for (const auto& sample : samples) {
    const auto& first = samples.front();
    if (sample.targets.size() == first.targets.size() &&
        sample.source.has_value() == first.source.has_value()) {
      continue;
    }
    throw UsageError(
        "samples of a batch have as many targets as its first, and a source if it has");
  }
  require_latent_side("self_max_res", controls.self_max_res);
  if (controls.blend_res) require_latent_side("blend_res", *controls.blend_res);
  for (const auto& sample : samples) {
    for (const auto& weight : words_of(sample, controls).reweight) {
      const auto values = weight.values.size();
      if (values == 1 || values == samples.size()) continue;
      throw UsageError(fmt::format("reweight: '{}' has {} values for {} samples; one, or one each",
                                   weight.word, values, samples.size()));
    }
  }
}

}  // namespace

BatchControls make_word_controls(const WordControls& controls,
                                 const std::vector<PromptSet>& samples,
                                 const Tokenizer& tokenizer) {
  check(controls, samples);
  BatchControls made;
  const auto add = [&](WordControlKind kind, std::shared_ptr<AttentionController> control) {
    made.kinds.push_back(kind);
    made.links.push_back(std::move(control));
  };
  const bool swaps = samples.front().source.has_value();
  const bool p2p = swaps && controls.mode == SwapMode::kPromptToPrompt;
  PerRow<TokenSchedule> schedules;
  if (p2p || controls.of_swap) {
    schedules = for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
      return schedule_of(words_of(sample, controls), target, tokenizer);
    });
  }
  if (p2p) {
    PromptToPromptOptions edit;
    edit.edits = for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
      return edit_of(*sample.source, target, tokenizer);
    });
    edit.schedules = schedules;
    edit.boxes = for_each_row(samples, [&](const std::string&, const PromptSet& sample) {
      return tokens_of(*sample.source, words_of(sample, controls).cross_box, tokenizer);
    });
    edit.sites = controls.sites;
    edit.rows = rows_of(controls, RowChoice::kConditional);
    add(WordControlKind::kCross, std::make_shared<PromptToPrompt>(std::move(edit)));
    add(WordControlKind::kSelf, make_self_injection(controls));
  } else if (swaps && controls.mode == SwapMode::kFork) {
    add(WordControlKind::kForkSwap, make_fork_swap(controls, samples, tokenizer));
  }
  if (reweights(controls, samples)) {
    ReweightOptions reweight;
    reweight.weights = weights_of(controls, samples, tokenizer);
    reweight.steps = StepWindow::steps(controls.reweight_steps.begin, controls.reweight_steps.end);
    reweight.schedules = schedules;
    reweight.sites = controls.sites;
    reweight.rows = rows_of(controls, RowChoice::kConditional);
    add(WordControlKind::kReweight, std::make_shared<Reweight>(std::move(reweight)));
  }
  if (swaps && controls.blends()) {
    made.blend = make_blend(controls, samples, tokenizer);
    add(WordControlKind::kLocalBlend, made.blend);
  }
  return made;
}

}  // namespace sd
