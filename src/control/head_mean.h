#pragma once

#include <torch/types.h>

#include "sd/control/scope.h"

namespace sd {

/// Mean of probabilities [R,heads,Q,K] over the heads that a filter means, in float32: [R,Q,K].
torch::Tensor head_mean(const torch::Tensor& probs, const SiteFilter& sites);

}  // namespace sd
