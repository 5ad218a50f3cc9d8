#pragma once

#include <memory>
#include <vector>

#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {

/// Reads a run's prompts by its syntax. All of them, the negative one too, get as many chunks as
/// the longest needs, so that a control can be made for one as for all. Throws UsageError for
/// prompts that cannot be read, and for a source or target of a swap that AND puts together.
std::shared_ptr<const PromptReader> reader_of(const DrawOptions& options,
                                              const std::vector<PromptSet>& prompts,
                                              const std::shared_ptr<const Tokenizer>& tokenizer);

/// What finds the words of the prompts whose maps are drawn: in a negative prompt AND is text.
std::shared_ptr<const PromptReader> reader_of_maps(
    const DrawOptions& options, const std::shared_ptr<const PromptReader>& reader);

}  // namespace sd::cli
