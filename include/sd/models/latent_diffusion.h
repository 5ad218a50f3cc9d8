#pragma once

#include <memory>

#include "sd/core/model_config.h"
#include "sd/models/text_encoder.h"
#include "sd/models/unet.h"
#include "sd/models/vae.h"

namespace sd {

/// Text encoder, UNet and autoencoder of one checkpoint; parameter names equal the checkpoint's
/// keys
/// ("model.diffusion_model.…", "first_stage_model.…", "cond_stage_model.transformer.text_model.…").
class LatentDiffusionImpl : public torch::nn::Module {
 public:
  explicit LatentDiffusionImpl(const ModelConfig& config);

  UNet unet{nullptr};
  Vae vae{nullptr};
  std::shared_ptr<TextEncoderImpl> text;
  const ModelConfig config;
};
TORCH_MODULE(LatentDiffusion);

}  // namespace sd
