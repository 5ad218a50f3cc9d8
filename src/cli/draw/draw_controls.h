#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "sd/control/local_blend.h"
#include "sd/nn/attention_controller.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// The controllers of one batch in the order in which they act: what targets take from the source,
/// then reweighting, then the blend, which looks at the result.
struct BatchControls {
  std::vector<std::shared_ptr<AttentionController>> links;
  std::shared_ptr<LocalBlend> blend;  // also changes latents; null without --local-blend
};

/// Makes them for samples with these prompts, one set a sample, all with equally many targets.
/// `blend_mask` [1,1,h,w] is what --blend-mask holds.
/// Throws UsageError for what does not fit the prompts.
BatchControls make_controls(const DrawOptions& options, const std::vector<PromptSet>& samples,
                            const std::optional<torch::Tensor>& blend_mask,
                            const Tokenizer& tokenizer);

}  // namespace sd::cli
