#pragma once

#include <torch/types.h>

#include "sd/diffusion/samplers.h"

namespace sd {

/// x0 as ε predicts it: (x − sqrt(1−ᾱ) ε) / sqrt(ᾱ), in the dtype of x. DDIM eq. 9.
torch::Tensor predict_x0(const torch::Tensor& x, const torch::Tensor& eps, double alpha);

/// The deterministic part of DDIM's eq. 12: sqrt(ᾱ_prev) x0 + sqrt(1−ᾱ_prev−σ²) ε.
torch::Tensor step_towards(const torch::Tensor& x0, const torch::Tensor& eps, double alpha_prev,
                           double sigma);

/// Which step of how many, and the timestep it left.
struct StepPlace {
  int64_t step = 0;
  int64_t num_steps = 0;
  double t = 0;
};

/// Ends a step: lets hooks.edit replace x, then calls hooks.on_step; throws Cancelled when that
/// says stop. Returns the latents to go on with.
torch::Tensor finish_step(const StepHooks& hooks, const StepPlace& place, torch::Tensor x,
                          const torch::Tensor& x0);
torch::Tensor finish_step(const SampleRun& run, int64_t step, torch::Tensor x,
                          const torch::Tensor& x0);

}  // namespace sd
