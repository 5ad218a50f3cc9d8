#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/pipeline/latent_guide.h"
#include "sd/text/control_words.h"
#include "sd/text/guide_words.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// The guides that words ask for, of one batch of samples with these prompts whose latents have
/// `latent_side` pixels on their shorter side. `tokenizer` is what the prompts are read with. A
/// word that some target lacks counts for the others; check_guide_words says whether any has it.
/// Throws UsageError for what does not fit.
std::vector<std::shared_ptr<LatentGuide>> make_word_guides(const GuideWords& words,
                                                           const std::vector<PromptSet>& samples,
                                                           const Tokenizer& tokenizer,
                                                           const ModelConfig& config,
                                                           int64_t latent_side);

}  // namespace sd
