#pragma once

#include <torch/types.h>

namespace sd {

/// a and b [N,·,h,w] side by side in their channels. On a CPU, of channels-last maps, all threads
/// copy.
torch::Tensor join_channels(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace sd
