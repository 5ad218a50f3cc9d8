#include "sd/diffusion/denoiser.h"

#include <ATen/ops/cat.h>

namespace sd {

torch::Tensor GuidedDenoiser::eps(const torch::Tensor& x, double t, int64_t step) {
  if (!needs_unconditional(guidance_scale_)) return model_(x, t, step);
  const auto both = model_(at::cat({x, x}), t, step).chunk(2);  // 2 × [B,4,h,w]
  return both[0] + guidance_scale_ * (both[1] - both[0]);
}

}  // namespace sd
