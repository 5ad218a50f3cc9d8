#pragma once

#include <memory>

#include "sd/nn/shared_attention.h"
#include "sd/pipeline/draw_acts.h"

namespace sd {

/// The same rows look at the same others, and `acts` is told where and how much that changes.
std::shared_ptr<RowSharer> watched(std::shared_ptr<RowSharer> sharer,
                                   std::shared_ptr<DrawActs> acts);

}  // namespace sd
