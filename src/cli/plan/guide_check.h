#pragma once

#include <cstdint>

#include "cli/options/draw_options.h"
#include "cli/plan/run_networks.h"
#include "cli/plan/run_prompts.h"
#include "cli/shell/memory_words.h"
#include "sd/core/model_config.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {

/// Checks that guides by gradients have words in the prompts and go with what else is asked for.
/// Throws UsageError.
void check_guides(const DrawOptions& options, const RunPrompts& prompts,
                  const RunNetworks& networks, const PromptReader& reader);

/// Adds what gradients take: the maps between blocks and inside of one of one row, in float32, and
/// float32 copies of the weights of the block that has most.
void add_gradients(MemoryNeed& need, const DrawOptions& options, const ModelConfig& config);

}  // namespace sd::cli
