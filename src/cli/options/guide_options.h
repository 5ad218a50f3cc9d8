#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sd/text/guide_words.h"

namespace sd::cli {

/// "cat=0.1,0.2,0.5,0.9". Throws UsageError, beginning with `option`, for other text and for a box
/// that check_box refuses.
WordBox parse_word_box(std::string_view option, std::string_view text);

/// A side of layers: 8, 16, 32 or 64. Throws UsageError.
int64_t parse_guide_res(std::string_view option, const std::string& text);

}  // namespace sd::cli
