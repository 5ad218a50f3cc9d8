#include "cli/draw/draw_controls.h"

#include <algorithm>

#include "sd/control/first_part.h"

namespace sd::cli {
namespace {

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

/// The options as the library takes them: what was not given stays as it is there.
WordControls controls_of(const DrawOptions& options) {
  const auto& swap = options.swap;
  WordControls controls;
  static_cast<ControlWords&>(controls) = words_of(options);
  controls.mode = swap.mode;
  controls.tthres = swap.tthres;
  controls.self_steps = swap.self_steps.value_or(controls.self_steps);
  controls.self_max_res = swap.self_max_res.value_or(controls.self_max_res);
  controls.blend_threshold = swap.blend_threshold.value_or(controls.blend_threshold);
  controls.blend_start = swap.blend_start.value_or(controls.blend_start);
  controls.blend_res = swap.blend_res;
  controls.reweight_steps = options.control.reweight_steps.value_or(controls.reweight_steps);
  controls.sites = sites_of(options.control);
  if (options.control.both_rows) {
    controls.rows = *options.control.both_rows ? RowChoice::kBoth : RowChoice::kConditional;
  }
  return controls;
}

BatchControls controls_of_samples(const WordControls& controls,
                                  const std::vector<PromptSet>& samples,
                                  const Tokenizer& tokenizer) {
  std::vector<ControlWords> own(samples.size());
  std::vector<sd::PromptSet> prompts;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    prompts.push_back({samples[i].targets, samples[i].source});
    if (samples[i].own == nullptr) continue;
    own[i] = words_of(*samples[i].own);
    prompts.back().own = &own[i];
  }
  return make_word_controls(controls, prompts, tokenizer);
}

}  // namespace

BatchControls make_controls(const DrawOptions& options, const std::vector<PromptSet>& samples,
                            const std::optional<torch::Tensor>& blend_mask,
                            const Tokenizer& tokenizer) {
  auto controls = controls_of(options);
  controls.blend_mask = blend_mask;
  return controls_of_samples(controls, samples, tokenizer);
}

BatchControls make_regional_controls(const DrawOptions& options,
                                     const std::vector<PromptSet>& samples,
                                     const std::vector<PromptSet>& watched,
                                     const std::optional<torch::Tensor>& blend_mask,
                                     const Tokenizer& tokenizer) {
  // Weights alone: no source, and of a swap's words the steps in which one is edited.
  auto weighed = watched;
  for (auto& set : weighed) set.source.reset();
  auto weighing = controls_of(options);
  weighing.of_swap = samples.front().source && options.swap.mode == SwapMode::kPromptToPrompt;
  auto weights = controls_of_samples(weighing, weighed, tokenizer);
  if (!samples.front().source) return weights;
  auto unweighed = options;
  unweighed.control.reweight.clear();
  std::vector<DrawOptions> own;
  own.reserve(samples.size());
  auto swapped = samples;
  for (auto& set : swapped) {
    if (set.own == nullptr) continue;
    own.push_back(*set.own);
    own.back().control.reweight.clear();
    set.own = &own.back();
  }
  auto made = make_controls(unweighed, swapped, blend_mask, tokenizer);
  for (auto& link : made.links) link = std::make_shared<FirstPart>(link);
  // A blend looks at what is weighed.
  const auto before = made.links.end() - (made.blend ? 1 : 0);
  const auto kinds_before = made.kinds.begin() + (before - made.links.begin());
  made.kinds.insert(kinds_before, weights.kinds.begin(), weights.kinds.end());
  made.links.insert(before, weights.links.begin(), weights.links.end());
  return made;
}

std::vector<std::shared_ptr<LatentGuide>> make_guides(const DrawOptions& options,
                                                      const std::vector<PromptSet>& samples,
                                                      const ModelConfig& config,
                                                      const Tokenizer& tokenizer) {
  std::vector<sd::PromptSet> prompts;
  for (const auto& sample : samples) prompts.push_back({sample.targets, sample.source});
  const auto side = std::min(options.W.value_or(0), options.H.value_or(0)) / options.f;
  return make_word_guides(options.guides, prompts, tokenizer, config, side);
}

}  // namespace sd::cli
