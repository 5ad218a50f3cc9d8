#pragma once

#include <memory>
#include <vector>

#include "sd/nn/layers.h"

namespace sd {

/// One half of TAESD: convolutions of 64 channels, residual blocks and changes of size, one behind
/// the other. Registered below `layers` by their number, as diffusers' AutoencoderTiny has them.
class TaesdStackImpl;

/// The tiny autoencoder for Stable Diffusion (github.com/madebyollin/taesd): nearly the same
/// pictures for a fraction of the arithmetic, without attention or norms. It takes and gives
/// latents as samplers leave them, already scaled.
class TaesdImpl : public torch::nn::Module {
 public:
  /// Without `with_encoder` only the decoder exists.
  explicit TaesdImpl(bool with_encoder);
  ~TaesdImpl() override;

  bool encodes() const { return encoder_ != nullptr; }
  /// pictures [N,3,H,W] in [-1,1], H and W multiples of 8 → latents [N,4,H/8,W/8].
  torch::Tensor encode(const torch::Tensor& pictures);
  /// latents [N,4,h,w] → pictures [N,3,8h,8w], about [-1,1], not clamped.
  torch::Tensor decode(const torch::Tensor& latents);

 private:
  std::shared_ptr<TaesdStackImpl> encoder_, decoder_;
};
TORCH_MODULE(Taesd);

}  // namespace sd
