#pragma once

#include "cli/options/draw_options.h"
#include "sd/core/model_config.h"

namespace sd::cli {

/// Checks that the files of every --ip-adapter are there and fit the model, from their headers.
/// Throws IoError, CheckpointError, UsageError.
void check_ip_adapters(const DrawOptions& options, const ModelConfig& config);

}  // namespace sd::cli
