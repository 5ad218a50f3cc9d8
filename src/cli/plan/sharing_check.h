#pragma once

#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Checks what makes pictures look at others in self-attention: one method at a time, beside
/// nothing that it does not go with, a source where it takes from one, a picture that is there.
/// Throws UsageError or IoError.
void check_sharing(const DrawOptions& options);

/// Checks that each prompt has one of the words of --masactrl-mask. Throws UsageError.
void check_mask_words(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                      const Tokenizer& tokenizer);

}  // namespace sd::cli
