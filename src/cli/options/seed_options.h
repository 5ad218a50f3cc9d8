#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "cli/options/draw_options.h"

namespace sd::cli {

/// "123:0.2". Throws UsageError.
Variation parse_variation(std::string_view text);

/// "18446744073709551615": a seed as torch takes it, or nothing for -1, a random one. Throws
/// UsageError.
std::optional<uint64_t> parse_seed(std::string_view text);

}  // namespace sd::cli
