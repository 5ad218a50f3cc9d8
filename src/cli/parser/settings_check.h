#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/app_outline.h"

namespace sd::cli {

/// Options of `command` that the environment and the file may set: all but help and `--no-config`.
std::vector<OptionOutline> settable_options(const CLI::App& command);

/// The long names of options as keys, one a meaning, for suggestions.
std::vector<std::string> keys_of(const std::vector<OptionOutline>& options);

/// Whether `key` ("n_samples", "n-samples") is one of the option's long names.
bool is_named(const OptionOutline& option, std::string_view key);

}  // namespace sd::cli
