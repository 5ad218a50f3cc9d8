#pragma once

#include <CLI/CLI.hpp>

namespace sd::cli {

/// Throws UsageError if what is to be drawn (a prompt, a list, a picture to start from) was given
/// more than once, with several values, on the command line of `command`. Of other options the last
/// one wins, as with argparse. To be called before settings from elsewhere are applied.
void reject_repeated(const CLI::App& command);

}  // namespace sd::cli
