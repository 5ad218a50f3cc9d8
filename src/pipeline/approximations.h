#pragma once

#include "sd/pipeline/draw.h"

namespace sd {

/// Throws UsageError where the model has no layer for token merging, or where attention is
/// controlled or watched that DeepCache leaves out.
void check_approximations(const LoadedModel& model, const DrawRequest& request);

}  // namespace sd
