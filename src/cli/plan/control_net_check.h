#pragma once

#include <string>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "cli/shell/memory_words.h"
#include "sd/core/model_config.h"
#include "sd/image/fit.h"

namespace sd::cli {

/// Checks the control nets of a run before anything is loaded: that files are there and pictures
/// are pictures, that each net is one and fits the model of this configuration, which `model`
/// names, that there is one setting for all nets or one for each, and that nothing contradicts
/// them. Says where a picture has another shape than what is drawn. Returns the options with the
/// nets' hashes. Throws UsageError, IoError, CheckpointError.
ControlNetOptions checked_control_nets(const DrawOptions& options, const ModelConfig& config,
                                       const std::string& model, Size drawn, const Say& say);

/// Adds to `need` what these nets, whose files are there, hold in memory.
void add_control_nets(MemoryNeed& need, const DrawOptions& options, const ModelConfig& config);

}  // namespace sd::cli
