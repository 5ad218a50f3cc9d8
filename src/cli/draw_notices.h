#pragma once

#include <string>
#include <vector>

#include "cli/draw_options.h"
#include "cli/machine.h"
#include "sd/core/model_config.h"

namespace sd::cli {

/// A line for each choice that will be slow here, or that the model was not trained for, and what
/// to choose instead.
std::vector<std::string> draw_notices(const DrawOptions& options, const ModelConfig& model,
                                      const Machine& machine);

/// Prints them, unless told to be quiet.
void print_notices(const DrawOptions& options, const ModelConfig& model);

}  // namespace sd::cli
