#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "sd/diffusion/denoiser.h"
#include "sd/diffusion/samplers.h"
#include "sd/diffusion/sigmas.h"

namespace sd {

/// What a sampler over noise levels sees of a model: D(x; σ) of Karras et al. (arXiv:2206.00364).
class SigmaDenoiser {
 public:
  virtual ~SigmaDenoiser() = default;
  /// The clean latents in x [B,4,h,w] = x0 + σ·n, for a call that belongs to sampler step `step`.
  virtual torch::Tensor denoised(const torch::Tensor& x, double sigma, int64_t step) = 0;
  /// The timestep that stands for σ.
  virtual double timestep(double sigma) const = 0;
};

/// D from a model that predicts ε: D(x; σ) = x − σ·ε(x / sqrt(1 + σ²), t(σ)).
class EpsSigmaDenoiser final : public SigmaDenoiser {
 public:
  /// Both are lent for the life of this.
  EpsSigmaDenoiser(Denoiser& model, const SigmaTable& table) : model_(model), table_(table) {}
  torch::Tensor denoised(const torch::Tensor& x, double sigma, int64_t step) override;
  double timestep(double sigma) const override { return table_.timestep(sigma); }

 private:
  Denoiser& model_;
  const SigmaTable& table_;
};

/// Noise of unit variance, shaped as x, for the part of a run from `sigma` to `sigma_next`.
using StepNoise =
    std::function<torch::Tensor(const torch::Tensor& x, double sigma, double sigma_next)>;

/// One run of a sampler over noise levels.
struct SigmaRun : StepHooks {
  std::vector<double> sigmas;  // one more than steps, falling; the last may be 0
  /// Of the random part of ancestral and SDE samplers: 1 is all of it, 0 none, which makes them
  /// solvers of the ODE.
  double eta = 1.0;
  StepNoise noise;  // needed by samplers that draw noise, unless eta is 0
  std::vector<double> down =
      {};  // of TCD: where each step goes before it adds noise; empty: it adds none

  int64_t num_steps() const { return static_cast<int64_t>(sigmas.size()) - 1; }
};

// Each runs from x = x0 + σ·n at the first of run.sigmas to the last and returns latents there, of
// the shape of x. With H = log(σ_i / σ_{i+1}) as step, the order is that of the ODE's solver. Throw
// UsageError for fewer than two noise levels, some that do not fall, or noise that is needed and
// not there.

/// Euler's method for the probability-flow ODE dx/dσ = (x − D)/σ (arXiv:2206.00364, eq. 3).
torch::Tensor sample_euler(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// The same towards a lower σ, then noise up to the one wanted (ancestral sampling).
torch::Tensor sample_euler_ancestral(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// Heun's second order (arXiv:2206.00364, algorithm 1 without churn).
torch::Tensor sample_heun(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// DPM-Solver-2 (arXiv:2206.00927, algorithm 1), the midpoint in log σ.
torch::Tensor sample_dpm2(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
torch::Tensor sample_dpm2_ancestral(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// Linear multistep (Adams–Bashforth) in σ with up to four derivatives.
torch::Tensor sample_lms(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// DPM-Solver++(2S) (arXiv:2211.01095, algorithm 1), ancestral.
torch::Tensor sample_dpmpp_2s_ancestral(SigmaDenoiser& denoiser, torch::Tensor x,
                                        const SigmaRun& run);
/// DPM-Solver++(2M) (arXiv:2211.01095, algorithm 2).
torch::Tensor sample_dpmpp_2m(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// SDE-DPM-Solver++ with one midpoint (arXiv:2211.01095, section 5).
torch::Tensor sample_dpmpp_sde(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// SDE-DPM-Solver++(2M), midpoint form.
torch::Tensor sample_dpmpp_2m_sde(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// The same with two earlier steps, as k-diffusion has it; its second difference has half the
/// weight that would make it of third order.
torch::Tensor sample_dpmpp_3m_sde(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// UniPC of order 2 with B(h) = e^h − 1 (arXiv:2302.04867, algorithms 5 and 6).
torch::Tensor sample_unipc(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);
/// Multistep consistency sampling (arXiv:2310.04378, algorithm 3) for latent consistency models.
torch::Tensor sample_lcm(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);

/// Trajectory consistency sampling (arXiv:2402.19159, algorithm 4), which ends where run.down does.
torch::Tensor sample_tcd(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run);

/// The run.down of TCD's γ: the noise of floor((1 − γ) t) where t is the timestep of each of
/// `sigmas` but the first. Throws UsageError unless 0 <= gamma <= 1.
std::vector<double> tcd_levels(const SigmaTable& table, const std::vector<double>& sigmas,
                               double gamma);

/// The sampler of a kind; nothing for DDIM and PLMS, which have schedules of their own.
using SigmaSampler = torch::Tensor (*)(SigmaDenoiser&, torch::Tensor, const SigmaRun&);
SigmaSampler sigma_sampler(SamplerKind kind);

/// Diffuses clean latents to σ: x0 + σ·noise.
inline torch::Tensor add_sigma_noise(const torch::Tensor& x0, const torch::Tensor& noise,
                                     double sigma) {
  return x0 + sigma * noise;
}

}  // namespace sd
