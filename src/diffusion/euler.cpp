#include "diffusion/sigma_step.h"

namespace sd {

torch::Tensor sample_euler(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        return SigmaStepResult{at + slope(at, x0, step.sigma) * (step.next - step.sigma), x0};
      });
}

torch::Tensor sample_euler_ancestral(SigmaDenoiser& denoiser, torch::Tensor x,
                                     const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        const auto [down, up] = ancestral_step(step.sigma, step.next, run.eta);
        const auto moved = at + slope(at, x0, step.sigma) * (down - step.sigma);
        return SigmaStepResult{add_step_noise(run, moved, step.sigma, step.next, up), x0};
      });
}

}  // namespace sd
