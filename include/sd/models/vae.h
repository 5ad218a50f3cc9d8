#pragma once

#include <vector>

#include "sd/core/model_config.h"
#include "sd/models/vae_memory.h"
#include "sd/nn/layers.h"

namespace sd {

/// Mean and log-variance [N,z,h,w] of a diagonal Gaussian over latents.
struct LatentMoments {
  torch::Tensor mean;
  torch::Tensor log_variance;  // clamped to [-30, 20], as the original does
};

/// KL autoencoder (arXiv:2112.10752, appendix G); parameters carry the names of
/// ldm.models.autoencoder.AutoencoderKL. Latents here are unscaled: multiply by the model's scale
/// factor for the UNet.
class VaeImpl : public torch::nn::Module {
 public:
  explicit VaeImpl(const VaeConfig& config);
  ~VaeImpl() override;

  /// pictures [N,3,H,W] in [-1,1], H and W multiples of factor() → moments of z [N,embed,H/f,W/f].
  LatentMoments encode(const torch::Tensor& pictures, const VaeMemory& memory = {});
  /// z [N,embed,h,w] → pictures [N,3,h·f,w·f], about [-1,1], not clamped.
  torch::Tensor decode(const torch::Tensor& z, const VaeMemory& memory = {});

  const VaeConfig& config() const { return config_; }

 private:
  VaeConfig config_;
  std::shared_ptr<class VaeEncoderImpl> encoder_;
  std::shared_ptr<class VaeDecoderImpl> decoder_;
  Conv2d quant_conv_{nullptr}, post_quant_conv_{nullptr};
};
TORCH_MODULE(Vae);

}  // namespace sd
