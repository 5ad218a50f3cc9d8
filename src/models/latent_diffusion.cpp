#include "sd/models/latent_diffusion.h"

#include "sd/core/error.h"
#include "sd/models/bert_text.h"
#include "sd/models/clip_text.h"

namespace sd {
namespace {

/// Registers the text encoder below `stage` under the names of its checkpoints.
std::shared_ptr<TextEncoderImpl> put_text_encoder(Group& stage, const TextConfig& config) {
  switch (config.encoder) {
    case TextEncoderKind::kClip:
      return stage->put("transformer", Group())->put("text_model", ClipText(config)).ptr();
    case TextEncoderKind::kBert:
      return stage->put("transformer", BertText(config)).ptr();
  }
  throw Error("no text encoder of this kind");
}

}  // namespace

LatentDiffusionImpl::LatentDiffusionImpl(const ModelConfig& model_config) : config(model_config) {
  unet = register_module("model", Group())->put("diffusion_model", UNet(config.unet));
  vae = register_module("first_stage_model", Vae(config.vae));
  Group stage = register_module("cond_stage_model", Group());
  text = put_text_encoder(stage, config.text);
}

}  // namespace sd
