#pragma once

#include "cli/options/draw_options.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Prints what happens to each token of each target, as a table on stdout.
void print_alignment(const DrawOptions& options, const Tokenizer& tokenizer);

}  // namespace sd::cli
