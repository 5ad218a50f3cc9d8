#pragma once

#include <memory>
#include <vector>

#include "cli/draw/input_picture.h"
#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "sd/pipeline/row_sharing.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Which rows of a batch with these prompts look at which; null where all look at themselves.
/// `appearance` is what run_appearance gave. Masks
/// of words are made for --masactrl-mask: they go to the end of the batch's controllers. Throws
/// UsageError for a prompt that has none of the words.
std::shared_ptr<RowSharing> make_sharing(const DrawOptions& options, const RunInputs& inputs,
                                         std::shared_ptr<const Inversion> appearance,
                                         const std::vector<PromptSet>& samples,
                                         const Tokenizer& tokenizer);

}  // namespace sd::cli
