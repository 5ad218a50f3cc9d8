#include "diffusion/sigma_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "diffusion/step.h"
#include "sd/core/error.h"

namespace sd {

double SigmaStep::h() const { return std::log(sigma / next); }

torch::Tensor run_steps(
    SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run,
    const std::function<SigmaStepResult(const torch::Tensor& x, const SigmaStep& step)>& step) {
  const auto& sigmas = run.sigmas;
  if (sigmas.size() < 2) throw UsageError("a sampler needs at least two noise levels");
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    if (sigmas[i] > sigmas[i + 1] && sigmas[i + 1] >= 0) continue;
    throw UsageError(fmt::format("noise levels must fall and not be below 0; {} follows {}",
                                 sigmas[i + 1], sigmas[i]));
  }
  for (int64_t i = 0; i < run.num_steps(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    auto result = step(x, {i, sigmas[at], sigmas[at + 1]});
    x = finish_step(run, {i, run.num_steps(), denoiser.timestep(sigmas[at])}, std::move(result.x),
                    result.x0);
  }
  return x;
}

torch::Tensor slope(const torch::Tensor& x, const torch::Tensor& denoised, double sigma) {
  return (x - denoised) / sigma;
}

torch::Tensor move_to(const torch::Tensor& x, const torch::Tensor& denoised, double sigma,
                      double to) {
  const double kept = to / sigma;
  return kept * x + (1 - kept) * denoised;
}

AncestralStep ancestral_step(double from, double to, double eta) {
  if (eta == 0) return {to, 0};
  const double up =
      std::min(to, eta * std::sqrt(to * to * (from * from - to * to) / (from * from)));
  return {std::sqrt(to * to - up * up), up};
}

torch::Tensor add_step_noise(const SigmaRun& run, torch::Tensor x, double sigma, double next,
                             double scale) {
  if (scale == 0) return x;
  if (!run.noise) throw UsageError("this sampler draws noise in its steps and was given none");
  return x + scale * run.noise(x, sigma, next);
}

}  // namespace sd
