#pragma once

#include <cstdint>
#include <vector>

#include "sd/pipeline/load.h"

namespace sd {

/// Tells for each id whether the model has learnt it. An id that training never met has a row of
/// zeros in the token embedding: sd-train leaves such rows for all words that no caption has. Ids
/// from the text encoder's vocabulary on are those of embeddings, which somebody has learnt.
std::vector<bool> learnt_ids(const LoadedModel& model, const std::vector<int64_t>& ids);

}  // namespace sd
