#pragma once

#include <string>

#include "cli/options/draw_options.h"

namespace sd::cli {

/// Reads a value of `--sampler`: "DPM++ 2M Karras" names a schedule too. Throws UsageError.
void read_sampler(DrawOptions& options, const std::string& option, const std::string& text);

/// Reads a value of `--scheduler`. Throws UsageError.
void read_scheduler(DrawOptions& options, const std::string& option, const std::string& text);

/// Checks that sampler, schedule and eta fit each other. Throws UsageError.
void check_sampler(const DrawOptions& options);

}  // namespace sd::cli
