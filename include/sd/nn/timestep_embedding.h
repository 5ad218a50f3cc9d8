#pragma once

#include <torch/types.h>

#include <cstdint>

namespace sd {

/// Sinusoidal embedding [N,width] (float32) of timesteps t [N]: cos first, then sin, of
/// t·10000^(-i/(width/2)) (arXiv:2006.11239, as guided diffusion lays it out). An odd width ends
/// with a zero.
torch::Tensor timestep_embedding(const torch::Tensor& t, int64_t width);

}  // namespace sd
