#pragma once

#include <vector>

#include "sd/models/control_residuals.h"
#include "sd/models/unet_encoder.h"

namespace sd {

/// ControlNet 1.x (arXiv:2302.05543): the way down and the middle of a UNet with a picture added
/// behind the first convolution, and a 1x1 convolution behind each block. Parameters carry the
/// names of cldm.cldm.ControlNet.
class ControlNetImpl : public UNetEncoderImpl {
 public:
  /// For a UNet of this configuration. A net is shown the latents alone, also beside a UNet that
  /// takes more.
  explicit ControlNetImpl(const UNetConfig& unet);

  /// What a picture [1,3,8h,8w], 0 to 1 and −1 where it is hidden, comes to: [1,C,h,w] float32. It
  /// is the same in every step.
  torch::Tensor hint(const torch::Tensor& picture);

  /// The residuals of x [R,C,h,w] float32 or the context's dtype, as UNetImpl::forward takes it
  /// beside that hint: one a block, of as many rows as differ by `run.same_as`.
  ControlResiduals forward(const torch::Tensor& x, const torch::Tensor& t,
                           const torch::Tensor& context, const torch::Tensor& hint,
                           const ForwardContext& run);

 private:
  std::vector<Conv2d> hint_layers_, zero_convs_;
  Conv2d middle_out_{nullptr};
};
TORCH_MODULE(ControlNet);

}  // namespace sd
