#pragma once

#include "cli/options/draw_options.h"
#include "cli/shell/memory_words.h"
#include "sd/core/model_config.h"

namespace sd::cli {

/// Adds what gradients through the UNet take, where guides or null-text optimisation ask for them:
/// of one row, in float32, what is kept between blocks, and of the block that has most what it
/// keeps on the way back with a copy of its weights. Elsewhere nothing.
void add_gradients(MemoryNeed& need, const DrawOptions& options, const ModelConfig& config);

}  // namespace sd::cli
