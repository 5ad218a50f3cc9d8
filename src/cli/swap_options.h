#pragma once

#include "cli/draw_options.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Adds what only `sd swap` has.
void add_swap_options(CLI::App& app, SwapOptions& options);

/// Prints what happens to each token of each target, as a table on stdout. Needs no model.
void print_alignment(const DrawOptions& options);

}  // namespace sd::cli
