#include <cmath>

#include "diffusion/sigma_step.h"

namespace sd {
namespace {

constexpr double kSigmaData = 0.5;       // arXiv:2310.04378: of the boundary condition
constexpr double kTimestepScale = 10.0;  // as the published models were trained

}  // namespace

torch::Tensor sample_lcm(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        const double t = denoiser.timestep(step.sigma) * kTimestepScale;
        const double norm = t * t + kSigmaData * kSigmaData;
        // f(x, t) = c_skip x + c_out D, in the scale of DDPM's latents.
        const auto latents = at / std::sqrt(1 + step.sigma * step.sigma);
        const auto consistent = kSigmaData * kSigmaData / norm * latents + t / std::sqrt(norm) * x0;
        return SigmaStepResult{add_step_noise(run, consistent, step.sigma, step.next, step.next),
                               consistent};
      });
}

}  // namespace sd
