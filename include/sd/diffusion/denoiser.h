#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

namespace sd {

/// What a sampler sees of a model.
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// The noise ε in x [B,4,h,w] at DDPM timestep t; `step` is the sampler's step this call belongs
  /// to.
  virtual torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) = 0;
};

/// Predicts ε for rows x [R,4,h,w], which stand in the order that its maker knows.
using NoiseModel = std::function<torch::Tensor(const torch::Tensor& x, double t, int64_t step)>;

/// Classifier-free guidance (arXiv:2207.12598): ε = ε_uncond + scale · (ε_cond − ε_uncond).
class GuidedDenoiser final : public Denoiser {
 public:
  /// With guidance the model is called with rows [uncond; cond], 2B in all; at scale 1 with the B
  /// conditional rows only.
  GuidedDenoiser(NoiseModel model, double guidance_scale)
      : model_(std::move(model)), guidance_scale_(guidance_scale) {}

  static bool needs_unconditional(double guidance_scale) { return guidance_scale != 1.0; }

  torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) override;

 private:
  NoiseModel model_;
  double guidance_scale_;
};

}  // namespace sd
