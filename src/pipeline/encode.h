#pragma once

#include <string>
#include <vector>

#include "sd/image/image.h"
#include "sd/pipeline/load.h"

namespace sd {

/// Contexts of plain prompts [N,77,D] in the compute dtype; equal prompts are encoded once.
torch::Tensor encode_prompts(const LoadedModel& model, const std::vector<std::string>& prompts);

/// The autoencoder's means [N,4,H/f,W/f] of pictures [N,3,H,W] in [-1,1], encoded one at a time to
/// bound memory.
torch::Tensor picture_means(const LoadedModel& model, const torch::Tensor& pictures);

/// Their latents: scale factor · mean, so that the same picture always gives the same latents.
torch::Tensor encode_pictures(const LoadedModel& model, const torch::Tensor& pictures);

/// Pictures of latents [N,4,h,w] (scaled, as samplers leave them), one decoded at a time to bound
/// memory: 8-bit RGB, 255 · clamp((x + 1) / 2) cut to whole numbers, as the original does. Calls
/// on_picture(done) between. What overflows in half precision is decoded again in float32, which
/// `overflowed` then tells.
std::vector<Image> decode_latents(const LoadedModel& model, const torch::Tensor& latents,
                                  const std::function<void(int64_t)>& on_picture,
                                  bool* overflowed = nullptr);

/// The floating-point picture [N,3,H,W] of latents, not clamped (about [-1,1]).
torch::Tensor decode_to_tensor(const LoadedModel& model, const torch::Tensor& latents);

}  // namespace sd
