#pragma once

#include <cstdint>
#include <vector>

#include "sd/pipeline/load.h"

namespace sd {

/// Which of these ids, each below the text encoder's vocabulary, a model has learnt: training that
/// never met a word leaves its row of the token embedding zero, as sd-train does with all words
/// that no caption has.
std::vector<bool> learnt_ids(const LoadedModel& model, const std::vector<int64_t>& ids);

}  // namespace sd
