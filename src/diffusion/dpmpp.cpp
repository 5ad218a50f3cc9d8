// DPM-Solver++ of second order, its random part only where a step is ancestral.
#include <cmath>

#include "diffusion/sigma_step.h"

namespace sd {

torch::Tensor sample_dpmpp_2s_ancestral(SigmaDenoiser& denoiser, torch::Tensor x,
                                        const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        const auto [down, up] = ancestral_step(step.sigma, step.next, run.eta);
        if (down == 0) return SigmaStepResult{move_to(at, x0, step.sigma, 0), x0};
        const double middle = std::sqrt(step.sigma * down);  // half the way in log σ
        const auto half_way = move_to(at, x0, step.sigma, middle);
        const auto moved =
            move_to(at, denoiser.denoised(half_way, middle, step.index), step.sigma, down);
        return SigmaStepResult{add_step_noise(run, moved, step.sigma, step.next, up), x0};
      });
}

torch::Tensor sample_dpmpp_2m(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  torch::Tensor older;  // D of the step before
  double older_h = 0;
  return run_steps(denoiser, std::move(x), run,
                   [&](const torch::Tensor& at, const SigmaStep& step) {
                     const auto x0 = denoiser.denoised(at, step.sigma, step.index);
                     auto aim = x0;
                     if (older.defined() && !step.last()) {
                       const double r = older_h / step.h();
                       aim = x0 + (x0 - older) / (2 * r);
                     }
                     older = x0;
                     older_h = step.last() ? 0 : step.h();
                     return SigmaStepResult{move_to(at, aim, step.sigma, step.next), x0};
                   });
}

}  // namespace sd
