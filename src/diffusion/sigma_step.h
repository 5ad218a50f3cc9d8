// What samplers over noise levels share.
#pragma once

#include <functional>

#include "sd/diffusion/sigma_samplers.h"

namespace sd {

/// One step from `sigma` to `next`.
struct SigmaStep {
  int64_t index = 0;
  double sigma = 0;
  double next = 0;

  bool last() const { return next == 0; }
  /// log(σ / σ_next): the distance in half the log signal-to-noise ratio; infinite in a last step.
  double h() const;
};

/// What a step makes of x [B,4,h,w]: the latents at its end, and the clean ones predicted in it.
struct SigmaStepResult {
  torch::Tensor x;
  torch::Tensor x0;
};

/// Runs `step` for every step of a checked run and ends each as StepHooks says.
torch::Tensor run_steps(
    SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run,
    const std::function<SigmaStepResult(const torch::Tensor& x, const SigmaStep& step)>& step);

/// dx/dσ = (x − D) / σ.
torch::Tensor slope(const torch::Tensor& x, const torch::Tensor& denoised, double sigma);

/// The exact solution from σ to σ_to for a constant D: x + (D − x)(1 − σ_to/σ).
torch::Tensor move_to(const torch::Tensor& x, const torch::Tensor& denoised, double sigma,
                      double to);

/// An ancestral step goes down to `down` and adds noise of deviation `up`: down² + up² = to².
struct AncestralStep {
  double down = 0;
  double up = 0;
};
AncestralStep ancestral_step(double from, double to, double eta);

/// x with noise of deviation `scale` for the way from σ to σ_next; x itself where scale is 0.
/// Throws UsageError if the run has no noise.
torch::Tensor add_step_noise(const SigmaRun& run, torch::Tensor x, double sigma, double next,
                             double scale);

}  // namespace sd
