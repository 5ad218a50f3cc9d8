#include "cli/draw/draw_controls.h"

#include <algorithm>

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

}  // namespace

BatchControls make_controls(const DrawOptions& options, const std::vector<PromptSet>& samples,
                            const std::optional<torch::Tensor>& blend_mask,
                            const Tokenizer& tokenizer) {
  auto controls = controls_of(options);
  controls.blend_mask = blend_mask;
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
