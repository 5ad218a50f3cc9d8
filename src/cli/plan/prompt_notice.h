#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sd/text/prompt_reader.h"

namespace sd::cli {

/// What a text encoder with this tokenizer will not see of `prompt`, naming the words; empty if it
/// sees all of it. `what` says whose prompt it is: "the prompt", "line 12".
std::string truncation_notice(std::string_view what, std::string_view prompt,
                              const Tokenizer& tokenizer);

/// How a prompt that is read by `syntax` keeps what does not fit.
std::string truncation_hint(PromptSyntax syntax);

/// That tags in these prompts do nothing: those of hypernetworks, and of LoRAs in the negative
/// prompt. Empty if there are none.
std::string network_tags_notice(const std::vector<std::string>& prompts,
                                const std::string& negative_prompt, const PromptReader& reader);

}  // namespace sd::cli
