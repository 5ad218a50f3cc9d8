#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "sd/diffusion/sigma_samplers.h"
#include "sd/pipeline/draw.h"

namespace sd {

/// What DDIM and PLMS run.
struct AlphaSteps {
  StepSchedule schedule;
  double start_alpha = 1;  // ᾱ to which an input picture is diffused
};

/// What all other samplers run.
struct SigmaSteps {
  SigmaTable table;
  std::vector<double> sigmas;  // empty where nothing is to run
  bool unit_variance = false;  // noise alone begins as DDPM's latents, not as σ·n
};

/// The steps that a run makes, in the terms of its sampler: ᾱ for DDIM and PLMS, σ for the others.
/// What differs between the two is decided here and nowhere else.
class SamplingPlan {
 public:
  /// Without a strength every step of the schedule, with one the last int(strength · steps). Throws
  /// UsageError for a number of steps, a strength, or an eta that the sampler cannot take.
  static SamplingPlan make(const NoiseSchedule& schedule, const DrawSettings& settings,
                           std::optional<double> strength);

  int64_t size() const;
  /// The DDPM timestep at which a step begins.
  double timestep(int64_t step) const;
  std::vector<double> timesteps() const;
  /// ᾱ of the latents with which a step begins.
  double alpha(int64_t step) const;
  /// What the sampler's latents are divided by for the UNet: sqrt(1 + σ²), for DDIM and PLMS 1.
  double input_scale(int64_t step) const;

  /// ᾱ at which each step begins, and behind them that at which the last one ends.
  std::vector<double> alphas() const;
  /// Latents as DDPM scales them in the sampler's own scale, where step `level` begins.
  torch::Tensor at_level(int64_t level, const torch::Tensor& latents) const;

  /// Where to start from noise alone, [N,4,h,w] standard normal.
  torch::Tensor from_noise(const torch::Tensor& noise) const;
  /// Where to start from clean latents x0.
  torch::Tensor from_picture(const torch::Tensor& x0, const torch::Tensor& noise) const;
  /// x0 as noisy as `step` leaves its latents.
  torch::Tensor at_end_of(int64_t step, const torch::Tensor& x0, const torch::Tensor& noise) const;

  /// Runs the sampler from x. `branch_noise` is what DDIM's eta draws from, row by row;
  /// `step_noise` what the other samplers draw.
  torch::Tensor run(Denoiser& denoiser, torch::Tensor x, const StepHooks& hooks,
                    NoiseSource& branch_noise, StepNoise step_noise) const;

 private:
  SamplerKind kind_ = SamplerKind::kDdim;
  double eta_ = 0;
  double tcd_gamma_ = 0;
  std::variant<AlphaSteps, SigmaSteps> steps_;
};

}  // namespace sd
