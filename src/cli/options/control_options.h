#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/options/draw_options.h"

namespace sd::cli {

/// "snowy=-2,1,5". Throws UsageError.
WordWeight parse_word_weight(std::string_view text);

/// "0:0.8" for all words, "cat=0:0.4" for one. Throws UsageError.
WordSteps parse_word_steps(std::string_view option, std::string_view text);

/// A side of latents: 8, 16, 32 or 64. Throws UsageError.
int64_t parse_latent_side(std::string_view option, const std::string& text);

}  // namespace sd::cli
