// Denoisers whose answers are known in closed form.
#pragma once

#include <ATen/ops/tanh.h>

#include <utility>

#include "sd/diffusion/sigma_samplers.h"

namespace sd::test {

inline const SigmaTable& sd_v1_table() {
  static const SigmaTable table(NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000));
  return table;
}

class KnownDenoiser : public SigmaDenoiser {
 public:
  double timestep(double sigma) const override { return sd_v1_table().timestep(sigma); }
};

/// D(x, σ) = tanh(x / (1 + σ)) + 0.25·x0: what the reference trajectories were made with.
class TanhDenoiser final : public KnownDenoiser {
 public:
  explicit TanhDenoiser(torch::Tensor x0) : x0_(std::move(x0)) {}
  torch::Tensor denoised(const torch::Tensor& x, double sigma, int64_t step) override {
    steps.push_back(step);
    return at::tanh(x / (1 + sigma)) + 0.25 * x0_;
  }
  std::vector<int64_t> steps;  // of every call

 private:
  torch::Tensor x0_;
};

/// The denoiser of data drawn from N(0, deviation²): D = x·s²/(s² + σ²).
class GaussianDenoiser final : public KnownDenoiser {
 public:
  explicit GaussianDenoiser(double deviation) : variance_(deviation * deviation) {}
  torch::Tensor denoised(const torch::Tensor& x, double sigma, int64_t) override {
    return x * (variance_ / (variance_ + sigma * sigma));
  }

 private:
  double variance_;
};

}  // namespace sd::test
