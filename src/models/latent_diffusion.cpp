#include "sd/models/latent_diffusion.h"

namespace sd {

LatentDiffusionImpl::LatentDiffusionImpl(const ModelConfig& model_config) : config(model_config) {
  unet = register_module("model", Group())->put("diffusion_model", UNet(config.unet));
  vae = register_module("first_stage_model", Vae(config.vae));
  text = register_module("cond_stage_model", Group())
             ->put("transformer", Group())
             ->put("text_model", ClipText(config.text));
}

}  // namespace sd
