#pragma once

#include <vector>

#include "sd/models/unet_encoder.h"

namespace sd {

struct GradientChoice;   // models/unet_gradients.h
struct GradientOutputs;  // models/unet_gradients.h

/// The denoising UNet of latent diffusion; parameters carry the names of
/// ldm.modules.diffusionmodules.openaimodel.UNetModel.
class UNetImpl : public UNetEncoderImpl {
 public:
  explicit UNetImpl(const UNetConfig& config);

  /// Predicts the noise in x [R,C,h,w] at timesteps t [R], or [1] where they are the same (float32
  /// or int64), given context [R,K,D] → [R,C_out,h,w] float32. With `run.same_as`, t is [1]; with
  /// `run.time_row` it is not looked at. h and w must be multiples of 2^(levels-1).
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t,
                        const torch::Tensor& context, const ForwardContext& run);
  /// The same under autograd, for gradients of what comes of it to x or context, which must be of
  /// one dtype and may ask for one; weights, packed ones too, are constants. Of `run` the step,
  /// embedded guidance and FreeU count. Not in inference mode.
  GradientOutputs forward_with_gradients(const torch::Tensor& x, const torch::Tensor& t,
                                         const torch::Tensor& context, const ForwardContext& run,
                                         const GradientChoice& choice);

 private:
  std::size_t output_blocks_for(const GradientChoice& choice) const;
  /// All layers but the first convolution, whose output h is, the last output block and the output:
  /// what the last output block is given beside h.
  torch::Tensor deep_features(torch::Tensor h, const Time& time, const torch::Tensor& context,
                              const ForwardContext& run);
  /// What output block number `stage` starts from.
  torch::Tensor joined(std::size_t stage, torch::Tensor h, torch::Tensor skip,
                       const ForwardContext& run) const;
  void build_output_blocks();
  std::vector<Stage*> further_stages() override;

  std::vector<Stage> output_stages_;
  GroupNorm norm_out_{nullptr};
  Conv2d conv_out_{nullptr};
};
TORCH_MODULE(UNet);

}  // namespace sd
