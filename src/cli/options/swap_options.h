#pragma once

#include "cli/options/draw_options.h"
#include "sd/text/tokenizer.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Adds what only `sd swap` has.
void add_swap_options(CLI::App& app, SwapOptions& options);

/// Prints what happens to each token of each target, as a table on stdout.
void print_alignment(const DrawOptions& options, const Tokenizer& tokenizer);

}  // namespace sd::cli
