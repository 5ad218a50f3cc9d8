#pragma once

#include <cstdint>
#include <vector>

#include "sd/core/sampler_table.h"
#include "sd/diffusion/schedule.h"

namespace sd {

/// Noise levels in the terms of Karras et al. (arXiv:2206.00364): x = x0 + σ·n, where DDPM's
/// latents are x / sqrt(1 + σ²) and σ_t = sqrt((1 − ᾱ_t) / ᾱ_t).
class SigmaTable {
 public:
  explicit SigmaTable(const NoiseSchedule& schedule);

  double smallest() const;  // σ of timestep 0
  double largest() const;   // σ of the last timestep
  int64_t timesteps() const { return static_cast<int64_t>(log_sigmas_.size()); }

  /// σ at a timestep in [0, timesteps − 1], log-linear between whole ones; clamped to that range.
  double sigma(double timestep) const;
  /// Its inverse: the timestep whose σ this is, clamped to the table's.
  double timestep(double sigma) const;
  /// ᾱ at a timestep: the schedule's own at whole ones, 1 / (1 + σ²) between.
  double alpha(double timestep) const;

 private:
  NoiseSchedule schedule_;
  std::vector<double> log_sigmas_;  // rising
};

/// `steps` falling noise levels and a 0 behind them, spaced as `kind` says (kUniform, which is
/// DDIM's, is none of these: UsageError). Throws UsageError unless 1 <= steps <= timesteps.
///   kDiscrete     equal distances in time (k-diffusion's get_sigmas)
///   kKarras       arXiv:2206.00364, eq. 5, ρ = 7
///   kExponential  equal distances of log σ
///   kSgmUniform   equal distances in time, the last timestep left out
///   kSimple       every (timesteps / steps)-th noise level of the table
///   kBeta         quantiles of Beta(0.6, 0.6) between the extremes (arXiv:2407.12173)
///   kLcm          `steps` of the 50 timesteps a consistency model is distilled at
///                 (arXiv:2310.04378); at most 50
std::vector<double> sigma_steps(SchedulerKind kind, const SigmaTable& table, int64_t steps);

/// The same without the lowest noise level above 0, spaced for one step more: what AUTOMATIC1111's
/// web UI does for some samplers.
std::vector<double> sigma_steps_without_penultimate(SchedulerKind kind, const SigmaTable& table,
                                                    int64_t steps);

}  // namespace sd
