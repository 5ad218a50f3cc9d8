#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "sd/pipeline/word_controls.h"
#include "sd/pipeline/word_guides.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Makes the controllers that the options ask for, for samples with these prompts, one set a
/// sample, all with equally many targets. `blend_mask` [1,1,h,w] is what --blend-mask holds. Throws
/// UsageError for what does not fit the prompts.
BatchControls make_controls(const DrawOptions& options, const std::vector<PromptSet>& samples,
                            const std::optional<torch::Tensor>& blend_mask,
                            const Tokenizer& tokenizer);

/// The same beside regions: what takes attention from a source goes by the prompts `samples` alone,
/// weights of words by the prompts `watched`, those of regions among them.
BatchControls make_regional_controls(const DrawOptions& options,
                                     const std::vector<PromptSet>& samples,
                                     const std::vector<PromptSet>& watched,
                                     const std::optional<torch::Tensor>& blend_mask,
                                     const Tokenizer& tokenizer);

/// Makes the guides that they ask for, of one batch; `options` are settled.
std::vector<std::shared_ptr<LatentGuide>> make_guides(const DrawOptions& options,
                                                      const std::vector<PromptSet>& samples,
                                                      const ModelConfig& config,
                                                      const Tokenizer& tokenizer);

}  // namespace sd::cli
