#pragma once

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

#include "cli/app_outline.h"

namespace sd::cli {

/// Options of `command` that the environment and the file may set: all but help and `--no-config`.
std::vector<OptionOutline> settable_options(const CLI::App& command);

/// Whether `key` ("n_samples", "n-samples") is one of the option's long names.
bool is_named(const OptionOutline& option, std::string_view key);

}  // namespace sd::cli
