#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "sd/core/noise_source.h"
#include "sd/diffusion/denoiser.h"
#include "sd/diffusion/schedule.h"

namespace sd {

/// What a sampler tells after each step.
struct StepReport {
  int64_t step = 0;  // 0-based
  int64_t num_steps = 0;
  double t = 0;             // the timestep just left
  const torch::Tensor& x;   // latents after the step
  const torch::Tensor& x0;  // the clean latents as predicted in this step
};

/// What happens between two steps of any sampler.
struct StepHooks {
  /// Replaces the latents x that step number `step` left, before anyone sees them: [B,4,h,w] → the
  /// same.
  std::function<torch::Tensor(torch::Tensor x, int64_t step)> edit;
  /// False stops the run, which then throws Cancelled.
  std::function<bool(const StepReport&)> on_step;
};

/// One run of DDIM or PLMS.
struct SampleRun : StepHooks {
  StepSchedule schedule;
  double eta = 0.0;
  NoiseSource* noise = nullptr;  // needed when eta > 0
};

/// Diffuses clean latents x0 to ᾱ: sqrt(ᾱ) x0 + sqrt(1−ᾱ) noise. DDPM eq. 4 (arXiv:2006.11239).
torch::Tensor add_noise(const torch::Tensor& x0, const torch::Tensor& noise, double alpha);

/// DDIM (arXiv:2010.02502, eq. 12) from latents x [B,4,h,w] through run.schedule. eta in [0,1]
/// scales the noise (0: deterministic; then no random numbers are drawn). Returns latents of the
/// same shape.
torch::Tensor sample_ddim(Denoiser& denoiser, torch::Tensor x, const SampleRun& run);

/// Pseudo linear multistep (PNDM, arXiv:2202.09778, eq. 12), started with one improved Euler step,
/// as CompVis' PLMSSampler does it: one denoiser call a step, two in the first. run.eta must be 0
/// (UsageError).
torch::Tensor sample_plms(Denoiser& denoiser, torch::Tensor x, const SampleRun& run);

}  // namespace sd
