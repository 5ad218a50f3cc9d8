#pragma once

#include <string_view>

#include "cli/draw_options.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Adds `--seed` and what else decides the random numbers.
void add_seed_options(CLI::App& app, DrawOptions& options);

/// "123:0.2". Throws UsageError.
Variation parse_variation(std::string_view text);

/// Chooses a seed where one is to be chosen, and says which. Throws UsageError for options that
/// contradict each other.
void settle_seed(DrawOptions& options);

}  // namespace sd::cli
