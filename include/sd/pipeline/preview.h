#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/image/image.h"
#include "sd/pipeline/load.h"

namespace sd {

/// Rough pictures of latents x0 [N,4,h,w] (as samplers predict them), w x h pixels each. Every
/// pixel is a weighted sum of its latent's channels. For the autoencoder of Stable Diffusion v1,
/// recognised by its sizes and scale factor, the weights come from a regression by its users;
/// colours are about right. For any other autoencoder the first three channels become red, green
/// and blue. These are false colours: each channel is stretched from two standard deviations below
/// its mean to two above. Reads latents only: no random numbers, no effect on what is drawn.
std::vector<Image> preview_latents(const ModelConfig& config, const torch::Tensor& x0);

/// The same for latents of `model`; where TAESD stands in for its autoencoder, decoded by that in
/// full size.
std::vector<Image> preview_pictures(const LoadedModel& model, const torch::Tensor& x0);

}  // namespace sd
