#pragma once

#include <cstdint>
#include <vector>

namespace sd {

/// ᾱ_t of a diffusion process with sqrt-linear betas ("scaled linear"), DDPM's notation
/// (arXiv:2006.11239, eq. 4).
struct NoiseSchedule {
  /// ᾱ_t for t in [0, timesteps), rounded to float32 as checkpoints keep them.
  std::vector<double> alphas_cumprod;

  /// Throws UsageError unless 0 < linear_start <= linear_end < 1 and timesteps > 0.
  static NoiseSchedule sqrt_linear(double linear_start, double linear_end, int64_t timesteps);

  /// The same, shifted and scaled so that it ends in pure noise (zero terminal SNR,
  /// arXiv:2305.08891, algorithm 1). Its last ᾱ, which would be 0, is `last`.
  NoiseSchedule with_zero_terminal_snr(double last) const;

  /// Whether it ends so: the least ᾱ of others is 0.0047 as published.
  bool has_zero_terminal_snr() const { return alphas_cumprod.back() < 1e-6; }

  int64_t timesteps() const { return static_cast<int64_t>(alphas_cumprod.size()); }
};

/// One sampler step: from ᾱ = alpha at timestep t to alpha_prev.
struct DiffusionStep {
  int64_t t = 0;
  double alpha = 0;
  double alpha_prev = 0;
};

/// The steps that DDIM and PLMS run, in the order they run them (t descending).
struct StepSchedule {
  std::vector<DiffusionStep> steps;

  int64_t size() const { return static_cast<int64_t>(steps.size()); }
};

/// Every (timesteps / num_steps)-th timestep plus one, as the original's "uniform" spacing gives
/// it: 30 steps of 1000 yield 31, since 1000/30 is cut to 33, and published pictures depend on
/// that. A timestep that would be past the end (the original crashes there) is the last one. Throws
/// UsageError unless 1 <= num_steps <= timesteps.
StepSchedule uniform_steps(const NoiseSchedule& schedule, int64_t num_steps);

/// How many of `num_steps` steps a start of this strength leaves: int(strength · num_steps), as the
/// original's scripts cut it. Throws UsageError unless 0 <= strength <= 1.
int64_t steps_at_strength(double strength, int64_t num_steps);

/// A run that starts part of the way down.
struct MidwayStart {
  double alpha = 0;       // ᾱ to which the clean latents are diffused
  StepSchedule schedule;  // what is left to run
};

/// The last `count` steps of a schedule and the ᾱ they start from. As in the original (SDEdit,
/// arXiv:2108.01073, with DDIMSampler's indices) that is the ᾱ one index above the first step; at
/// the top, where the original crashes, it is the first step's own. Throws UsageError unless
/// 1 <= count <= size.
MidwayStart start_midway(const StepSchedule& schedule, int64_t count);

/// σ of a step: eta · sqrt((1-ᾱ_prev)/(1-ᾱ) · (1-ᾱ/ᾱ_prev)). DDIM eq. 16 (arXiv:2010.02502); eta 1
/// is DDPM's.
double ddim_sigma(const DiffusionStep& step, double eta);

}  // namespace sd
