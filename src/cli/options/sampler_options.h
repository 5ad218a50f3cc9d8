#pragma once

#include "cli/options/draw_options.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Adds the number of steps, the sampler and what belongs to it.
void add_sampler_options(CLI::App& app, DrawOptions& options);

/// Checks that sampler, schedule and eta fit each other. Throws UsageError.
void check_sampler(const DrawOptions& options);

}  // namespace sd::cli
