#pragma once

#include <string>
#include <string_view>

#include "sd/text/tokenizer.h"

namespace sd::cli {

/// What a text encoder with this tokenizer will not see of `prompt`, naming the words; empty if it
/// sees all of it. `what` says whose prompt it is: "the prompt", "line 12".
std::string truncation_notice(std::string_view what, std::string_view prompt,
                              const Tokenizer& tokenizer);

}  // namespace sd::cli
