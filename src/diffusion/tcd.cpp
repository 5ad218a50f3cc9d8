#include <algorithm>
#include <cmath>

#include "diffusion/sigma_step.h"
#include "sd/core/error.h"

namespace sd {

torch::Tensor sample_tcd(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  if (!run.down.empty() && static_cast<int64_t>(run.down.size()) != run.num_steps()) {
    throw UsageError("TCD needs a noise level below each step's end, or none");
  }
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        const double down =
            run.down.empty() ? step.next : run.down[static_cast<std::size_t>(step.index)];
        const auto moved = move_to(at, x0, step.sigma, down);
        // The last one ends at timestep 0, whose little noise is left: DDPM's latents there.
        if (step.last()) return SigmaStepResult{moved / std::sqrt(1 + down * down), x0};
        const double up = std::sqrt(std::max(step.next * step.next - down * down, 0.0));
        return SigmaStepResult{add_step_noise(run, moved, step.sigma, step.next, up), x0};
      });
}

std::vector<double> tcd_levels(const SigmaTable& table, const std::vector<double>& sigmas,
                               double gamma) {
  if (!(gamma >= 0 && gamma <= 1)) throw UsageError("tcd_gamma must lie in [0, 1]");
  std::vector<double> levels;
  for (std::size_t i = 1; i < sigmas.size(); ++i) {
    const double next = sigmas[i] == 0 ? 0 : std::round(table.timestep(sigmas[i]));
    // In float32, as the published sampler rounds it.
    levels.push_back(
        table.sigma(std::floor(static_cast<float>(1 - gamma) * static_cast<float>(next))));
  }
  return levels;
}

}  // namespace sd
