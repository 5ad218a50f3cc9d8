#pragma once

#include <cstdint>

#include "trainer/flat_parameters.h"

namespace sd::train {

/// Fills parameters for training from nothing, by name and shape: kernels and matrices uniform in
/// ±1/sqrt(fan-in) as PyTorch's layers start, norms 1, embeddings normal (0.02), biases 0. Layers
/// that close a residual branch (`out_layers.3`, `proj_out`, the UNet's `out.2`) start at zero, as
/// guided diffusion has it: each block begins as the identity. The autoencoder's log-variance
/// starts at -6, so that its noise does not drown the first gradients.
void initialize(FlatParameters& parameters, uint64_t seed);

}  // namespace sd::train
