#pragma once

#include <string>
#include <vector>

#include "cli/draw_options.h"
#include "cli/machine.h"

namespace sd::cli {

/// A line for each choice that will be slow here, or that the model was not trained for, and what
/// to choose instead. Reads no more of the model than its headers, and only where it matters.
std::vector<std::string> draw_notices(const DrawOptions& options, const Machine& machine);

/// Prints them, unless told to be quiet.
void print_notices(const DrawOptions& options);

}  // namespace sd::cli
