#pragma once

#include <memory>
#include <vector>

#include "cli/control_words.h"
#include "cli/draw_options.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {

/// Reads a run's prompts by its syntax. All of them, the negative one too, get as many chunks as the
/// longest needs, so that a control can be made for one as for all. Throws UsageError for prompts that
/// cannot be read.
std::shared_ptr<const PromptReader> reader_of(const DrawOptions& options,
                                              const std::vector<PromptSet>& prompts,
                                              const std::shared_ptr<const Tokenizer>& tokenizer);

}  // namespace sd::cli
