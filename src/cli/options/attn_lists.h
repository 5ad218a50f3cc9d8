#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/attn_options.h"

namespace sd::cli {

// Each reads the value of an option such as "down,middle", "16,32", "0-3,6" or "0:0.8". All throw
// UsageError, naming `option`, what was given and what is expected.

/// Parts of the UNet, each of down, middle, up.
std::vector<std::string> parse_parts(std::string_view option, std::string_view text);

/// Whole numbers from 1.
std::vector<int64_t> parse_resolutions(std::string_view option, std::string_view text);

/// Whole numbers and ranges of them, from 0, each once, ascending.
std::vector<int64_t> parse_heads(std::string_view option, std::string_view text);

/// Fractions of the steps, 0 <= a <= b <= 1; either may be left out ("0.5:"). `may_be_empty` says
/// whether a may equal b.
AttnSteps parse_steps(std::string_view option, std::string_view text, bool may_be_empty = false);

/// Numbers, such as "-2,1,5".
std::vector<double> parse_numbers(std::string_view option, std::string_view text);

/// Words at commas, without spaces around.
std::vector<std::string> parse_words(std::string_view option, std::string_view text);

}  // namespace sd::cli
