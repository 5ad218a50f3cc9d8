#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sd {

/// Attention of pixels [N,heads,height·width,K] in which the box around what looks at some tokens
/// looks at them as a whole. A pixel does where it pays them (summed, mean over heads) more than
/// `threshold` of the most that any pixel of its sample does; the others inside the smallest box
/// around those pixels take their mean row, head by head. Rows stay distributions. Returns a new
/// tensor. Throws UsageError for tokens outside [0,K).
torch::Tensor fill_box(const torch::Tensor& probs, const std::vector<int64_t>& tokens,
                       int64_t height, int64_t width, double threshold);

}  // namespace sd
