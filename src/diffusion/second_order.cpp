// Two calls a step: Heun's method and DPM-Solver-2.
#include <cmath>

#include "diffusion/sigma_step.h"

namespace sd {
namespace {

/// From σ to `to` by the slope at their geometric mean, reached by an Euler step.
torch::Tensor midpoint(SigmaDenoiser& denoiser, const torch::Tensor& x, const torch::Tensor& x0,
                       const SigmaStep& step, double to) {
  const auto first = slope(x, x0, step.sigma);
  const double middle = std::sqrt(step.sigma * to);
  const auto half_way = x + first * (middle - step.sigma);
  const auto second = slope(half_way, denoiser.denoised(half_way, middle, step.index), middle);
  return x + second * (to - step.sigma);
}

}  // namespace

torch::Tensor sample_heun(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        const auto first = slope(at, x0, step.sigma);
        const auto trial = at + first * (step.next - step.sigma);
        if (step.last()) return SigmaStepResult{trial, x0};
        const auto second =
            slope(trial, denoiser.denoised(trial, step.next, step.index), step.next);
        return SigmaStepResult{at + (first + second) / 2 * (step.next - step.sigma), x0};
      });
}

torch::Tensor sample_dpm2(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  return run_steps(denoiser, std::move(x), run,
                   [&](const torch::Tensor& at, const SigmaStep& step) {
                     const auto x0 = denoiser.denoised(at, step.sigma, step.index);
                     if (step.last())
                       return SigmaStepResult{move_to(at, x0, step.sigma, step.next), x0};
                     return SigmaStepResult{midpoint(denoiser, at, x0, step, step.next), x0};
                   });
}

torch::Tensor sample_dpm2_ancestral(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        const auto [down, up] = ancestral_step(step.sigma, step.next, run.eta);
        if (down == 0) return SigmaStepResult{move_to(at, x0, step.sigma, 0), x0};
        const auto moved = midpoint(denoiser, at, x0, step, down);
        return SigmaStepResult{add_step_noise(run, moved, step.sigma, step.next, up), x0};
      });
}

}  // namespace sd
