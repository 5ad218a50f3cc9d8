#pragma once

#include <torch/types.h>

namespace sd {

/// Maps [N,C,h,w] blurred with a Gaussian of deviation `sigma`, cut to `taps` (odd) values in each
/// direction; beyond the edges maps go on as in a mirror. Fewer taps where a side is too short for
/// them.
torch::Tensor gaussian_blur(const torch::Tensor& maps, int64_t taps, double sigma);

}  // namespace sd
