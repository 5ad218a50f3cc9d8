#include "sd/models/vae.h"

#include "models/vae_blocks.h"

namespace sd {

VaeImpl::VaeImpl(const VaeConfig& config)
    : config_(config),
      encoder_(std::make_shared<VaeEncoderImpl>(config)),
      decoder_(std::make_shared<VaeDecoderImpl>(config)) {
  register_module("encoder", encoder_);
  register_module("decoder", decoder_);
  quant_conv_ =
      register_module("quant_conv", Conv2d(2 * config.z_channels, 2 * config.embed_dim, 1));
  post_quant_conv_ =
      register_module("post_quant_conv", Conv2d(config.embed_dim, config.z_channels, 1));
}

VaeImpl::~VaeImpl() = default;

LatentMoments VaeImpl::encode(const torch::Tensor& pictures, const VaeMemory& memory) {
  const auto halves = quant_conv_->forward(encoder_->forward(pictures, memory)).chunk(2, 1);
  return {halves[0], halves[1].clamp(-30.0, 20.0)};
}

torch::Tensor VaeImpl::decode(const torch::Tensor& z, const VaeMemory& memory) {
  return decoder_->forward(post_quant_conv_->forward(z), memory);
}

}  // namespace sd
