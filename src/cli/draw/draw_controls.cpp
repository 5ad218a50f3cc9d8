#include "cli/draw/draw_controls.h"

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

namespace sd::cli {
namespace {

constexpr int64_t kReferenceSide = 64;  // latents of SD v1, for which self-max-res is stated

SiteFilter sites_of(const ControlOptions& options) {
  SiteFilter filter;
  for (const auto& part : options.parts) {
    filter.parts.push_back(part == "down"     ? UNetPart::kDown
                           : part == "middle" ? UNetPart::kMiddle
                                              : UNetPart::kUp);
  }
  filter.resolutions = options.resolutions;
  filter.heads = options.heads;
  return filter;
}

RowChoice rows_of(const ControlOptions& options, RowChoice otherwise) {
  if (!options.both_rows) return otherwise;
  return *options.both_rows ? RowChoice::kBoth : RowChoice::kConditional;
}

/// The options that name a sample's words.
const DrawOptions& options_of(const PromptSet& sample, const DrawOptions& run) {
  return sample.own != nullptr ? *sample.own : run;
}

bool reweights(const DrawOptions& options, const std::vector<PromptSet>& samples) {
  return std::ranges::any_of(samples, [&](const PromptSet& sample) {
    return !options_of(sample, options).control.reweight.empty();
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
/// words, and check_controls has seen to it that some prompt has it.
std::vector<int64_t> positions_if_there(const std::string& prompt, const std::string& word,
                                        const Tokenizer& tokenizer) {
  try {
    return word_positions("", prompt, word, tokenizer);
  } catch (const UsageError&) {
    return {};
  }
}

std::shared_ptr<AttentionController> make_fork_swap(const DrawOptions& options,
                                                    const std::vector<PromptSet>& samples,
                                                    const Tokenizer& tokenizer) {
  ForkSwapOptions swap;
  swap.alignments = for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
    return align_ids(tokenizer.encode(*sample.source).ids, tokenizer.encode(target).ids);
  });
  swap.tthres = options.swap.tthres;
  swap.sites = sites_of(options.control);
  swap.rows = rows_of(options.control, RowChoice::kBoth);
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
TokenSchedule schedule_of(const SwapOptions& swap, const std::string& target,
                          const Tokenizer& tokenizer) {
  AttnSteps all = kDefaultCrossSteps;
  for (const auto& steps : swap.cross_steps) {
    if (steps.word.empty()) all = steps.steps;
  }
  std::vector<StepWindow> windows(static_cast<std::size_t>(tokenizer.length()),
                                  StepWindow::cross_steps(all.begin, all.end));
  for (const auto& [word, steps] : swap.cross_steps) {
    if (word.empty()) continue;
    for (const int64_t position : positions_if_there(target, word, tokenizer)) {
      windows[static_cast<std::size_t>(position)] = StepWindow::cross_steps(steps.begin, steps.end);
    }
  }
  return {std::move(windows)};
}

std::shared_ptr<AttentionController> make_self_injection(const DrawOptions& options) {
  const auto steps = options.swap.self_steps.value_or(kDefaultSelfSteps);
  const int64_t side = options.swap.self_max_res.value_or(kDefaultSelfMaxRes);
  SelfInjectionOptions self;
  self.steps = StepWindow::steps(steps.begin, steps.end);
  self.min_downsampling = (kReferenceSide + side - 1) / side;  // never a layer larger than asked
  self.sites = sites_of(options.control);
  self.rows = rows_of(options.control, RowChoice::kConditional);
  return std::make_shared<SelfInjection>(std::move(self));
}

/// Every word of `--reweight` in every row that has it: a value a sample, 1 where there is none.
std::vector<TokenWeight> weights_of(const DrawOptions& options,
                                    const std::vector<PromptSet>& samples,
                                    const Tokenizer& tokenizer) {
  std::map<std::pair<int64_t, int64_t>, std::vector<double>> found;  // by target and token
  for (std::size_t i = 0; i < samples.size(); ++i) {
    for (const auto& weight : options_of(samples[i], options).control.reweight) {
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

std::shared_ptr<LocalBlend> make_blend(const DrawOptions& options,
                                       const std::vector<PromptSet>& samples,
                                       const std::optional<torch::Tensor>& mask,
                                       const Tokenizer& tokenizer) {
  const auto& swap = options.swap;
  using Words = std::vector<std::string> SwapOptions::*;
  const auto of_targets = [&](Words words) {
    return for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
      return tokens_of(target, options_of(sample, options).swap.*words, tokenizer);
    });
  };
  const auto of_sources = [&](Words words) {
    PerRow<BlendTokens> rows;
    for (const auto& sample : samples) {
      rows.push_back(tokens_of(*sample.source, options_of(sample, options).swap.*words, tokenizer));
    }
    return rows;
  };
  LocalBlendOptions blend;
  blend.target_words = of_targets(&SwapOptions::local_blend);
  blend.source_words = of_sources(&SwapOptions::local_blend);
  blend.except_targets = of_targets(&SwapOptions::blend_except);
  blend.except_source = of_sources(&SwapOptions::blend_except);
  blend.threshold = swap.blend_threshold.value_or(kDefaultBlendThreshold);
  blend.start = swap.blend_start.value_or(kDefaultBlendStart);
  blend.downsampling = kReferenceSide / swap.blend_res.value_or(kDefaultBlendRes);
  blend.mask = mask;
  return std::make_shared<LocalBlend>(std::move(blend));
}

}  // namespace

BatchControls make_controls(const DrawOptions& options, const std::vector<PromptSet>& samples,
                            const std::optional<torch::Tensor>& blend_mask,
                            const Tokenizer& tokenizer) {
  BatchControls controls;
  const bool swaps = samples.front().source.has_value();
  const bool p2p = swaps && options.swap.mode == SwapMode::kPromptToPrompt;
  PerRow<TokenSchedule> schedules;
  if (p2p) {
    PromptToPromptOptions edit;
    edit.edits = for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
      return edit_of(*sample.source, target, tokenizer);
    });
    schedules = for_each_row(samples, [&](const std::string& target, const PromptSet& sample) {
      return schedule_of(options_of(sample, options).swap, target, tokenizer);
    });
    edit.schedules = schedules;
    edit.boxes = for_each_row(samples, [&](const std::string&, const PromptSet& sample) {
      return tokens_of(*sample.source, options_of(sample, options).swap.cross_box, tokenizer);
    });
    edit.sites = sites_of(options.control);
    edit.rows = rows_of(options.control, RowChoice::kConditional);
    controls.links.push_back(std::make_shared<PromptToPrompt>(std::move(edit)));
    controls.links.push_back(make_self_injection(options));
  } else if (swaps) {
    controls.links.push_back(make_fork_swap(options, samples, tokenizer));
  }
  if (reweights(options, samples)) {
    ReweightOptions reweight;
    reweight.weights = weights_of(options, samples, tokenizer);
    const auto steps = options.control.reweight_steps.value_or(AttnSteps{});
    reweight.steps = StepWindow::steps(steps.begin, steps.end);
    reweight.schedules = schedules;
    reweight.sites = sites_of(options.control);
    reweight.rows = rows_of(options.control, RowChoice::kConditional);
    controls.links.push_back(std::make_shared<Reweight>(std::move(reweight)));
  }
  if (swaps && options.swap.blends()) {
    controls.blend = make_blend(options, samples, blend_mask, tokenizer);
    controls.links.push_back(controls.blend);
  }
  return controls;
}

}  // namespace sd::cli
