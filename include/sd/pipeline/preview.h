#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/image/image.h"
#include "sd/pipeline/load.h"

namespace sd {

/// What pictures of latents x0 [N,4,h,w] (as samplers predict them) look like roughly, w x h pixels
/// each: every pixel is a weighted sum of its latent's channels. With the autoencoder of Stable
/// Diffusion v1 (told by its sizes and scale factor) the weights are those that users of it found
/// by regression, whose colours are about right; with any other one the first three channels are
/// red, green and blue in false colours, each stretched from two standard deviations below its mean
/// to two above. Reads latents only: no random numbers, no effect on what is drawn.
std::vector<Image> preview_latents(const ModelConfig& config, const torch::Tensor& x0);

/// The same for latents of `model`; where TAESD stands in for its autoencoder, decoded by that in
/// full size.
std::vector<Image> preview_pictures(const LoadedModel& model, const torch::Tensor& x0);

}  // namespace sd
