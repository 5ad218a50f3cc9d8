#pragma once

#include "cli/options/draw_options.h"
#include "cli/plan/run_networks.h"
#include "cli/plan/run_prompts.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {

/// Checks that guides by gradients have words in the prompts and go with what else is asked for.
/// Throws UsageError.
void check_guides(const DrawOptions& options, const RunPrompts& prompts,
                  const RunNetworks& networks, const PromptReader& reader);

}  // namespace sd::cli
