#pragma once

#include "cli/options/draw_options.h"
#include "cli/plan/run_prompts.h"

namespace sd::cli {

/// Checks that what is faster and not exact goes with what else is asked for. Throws UsageError.
void check_faster(const DrawOptions& options, const RunPrompts& prompts);

}  // namespace sd::cli
