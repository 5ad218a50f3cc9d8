#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/nn/forward_edits.h"
#include "sd/pipeline/draw.h"

namespace sd {

/// How much each part counts at each pixel of each row of a batch, [B,1,h,w] a part; none where no
/// part is told where it counts. Rows of a source have their first part everywhere. Throws
/// UsageError for maps of another number or shape, negative ones, and prompts with another number
/// of parts.
std::vector<torch::Tensor> row_part_maps(const LoadedModel& model, const DrawRequest& request);

/// The same of layers whose pixels stand for 1, 2, 4 and 8 latent pixels a side, with the parts'
/// own weights and divided by their sum: RegionAttention::weights. Throws UsageError, beside the
/// above, for pixels where nothing counts and for negative weights.
std::map<int64_t, torch::Tensor> attention_weights(const LoadedModel& model,
                                                   const DrawRequest& request);

/// Whether cross-attention, not predictions, is weighed by such maps.
bool weighs_attention(const DrawRequest& request);

}  // namespace sd
