#pragma once

#include <string_view>

#include "cli/options/option_table.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Adds the options that `command` has, row by row (option_table.h), in the rows' groups. `options`
/// must outlive the parsing; help shows their values as defaults.
void add_draw_options(CLI::App& app, DrawOptions& options, Commands command);

/// Adds one option, where the parser stands, in the words of `command`: one that add_draw_options
/// leaves out, or of a command that takes few.
void add_draw_option(CLI::App& app, DrawOptions& options, std::string_view name,
                     Commands command = kNoCommand);

}  // namespace sd::cli
