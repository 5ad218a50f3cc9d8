#pragma once

#include "cli/options/given_options.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// What `app` was given, once it is parsed: of an option that may be given once the value that won.
GivenCommand given_command(const CLI::App& app);

}  // namespace sd::cli
