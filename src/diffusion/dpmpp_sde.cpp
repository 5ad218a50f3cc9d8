// Solvers of the reverse SDE in D: with h = log(σ/σ_next) and eta = 1,
// x_next = e^(−2h) x + (1 − e^(−2h)) D + σ_next sqrt(1 − e^(−2h)) n (arXiv:2211.01095, eq. 24),
// and polynomials in h in place of a constant D for higher orders.
#include <cmath>

#include "diffusion/sigma_step.h"

namespace sd {
namespace {

/// What a D of the past adds: its value, and the step h from it to the next.
struct Older {
  torch::Tensor x0;
  double h = 0;
};

/// The step for a constant D, without noise.
torch::Tensor constant_step(const torch::Tensor& x, const torch::Tensor& x0, double h_eta) {
  return std::exp(-h_eta) * x - std::expm1(-h_eta) * x0;
}

torch::Tensor with_noise(const SigmaRun& run, torch::Tensor x, const SigmaStep& step) {
  const double scale = step.next * std::sqrt(-std::expm1(-2 * step.h() * run.eta));
  return add_step_noise(run, std::move(x), step.sigma, step.next, scale);
}

/// (1 − e^(−h)) / h and on: phi_2 = (e^(−h) − 1)/h + 1, phi_3 = phi_2/h − 1/2.
double phi_2(double h) { return std::expm1(-h) / h + 1; }
double phi_3(double h) { return phi_2(h) / h - 0.5; }

/// The terms of first and second difference of D (k-diffusion's form of the multistep solver).
torch::Tensor multistep_terms(const torch::Tensor& x0, const Older& last, const Older& before,
                              double h, double h_eta) {
  const double r0 = last.h / h;
  const auto first = (x0 - last.x0) / r0;
  if (!before.x0.defined()) return phi_2(h_eta) * first;
  const double r1 = before.h / h;
  const auto second = (last.x0 - before.x0) / r1;
  const auto curve = (first - second) / (r0 + r1);
  return phi_2(h_eta) * (first + curve * r0) - phi_3(h_eta) * curve;
}

}  // namespace

torch::Tensor sample_dpmpp_sde(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        if (step.last()) return SigmaStepResult{move_to(at, x0, step.sigma, 0), x0};
        const double middle = std::sqrt(step.sigma * step.next);
        const auto half = ancestral_step(step.sigma, middle, run.eta);
        const auto half_way = add_step_noise(run, move_to(at, x0, step.sigma, half.down),
                                             step.sigma, middle, half.up);
        // With the midpoint in log σ the weights of the two D are 0 and 1.
        const auto aim = denoiser.denoised(half_way, middle, step.index);
        const auto whole = ancestral_step(step.sigma, step.next, run.eta);
        return SigmaStepResult{add_step_noise(run, move_to(at, aim, step.sigma, whole.down),
                                              step.sigma, step.next, whole.up),
                               x0};
      });
}

torch::Tensor sample_dpmpp_2m_sde(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  Older last;
  return run_steps(denoiser, std::move(x), run,
                   [&](const torch::Tensor& at, const SigmaStep& step) {
                     const auto x0 = denoiser.denoised(at, step.sigma, step.index);
                     if (step.last()) return SigmaStepResult{x0, x0};
                     const double h = step.h(), h_eta = h * (1 + run.eta);
                     auto moved = constant_step(at, x0, h_eta);
                     if (last.x0.defined()) {
                       const double r = last.h / h;
                       moved = moved - 0.5 * std::expm1(-h_eta) / r * (x0 - last.x0);
                     }
                     last = {x0, h};
                     return SigmaStepResult{with_noise(run, moved, step), x0};
                   });
}

torch::Tensor sample_dpmpp_3m_sde(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  Older last, before;
  return run_steps(denoiser, std::move(x), run,
                   [&](const torch::Tensor& at, const SigmaStep& step) {
                     const auto x0 = denoiser.denoised(at, step.sigma, step.index);
                     if (step.last()) return SigmaStepResult{x0, x0};
                     const double h = step.h(), h_eta = h * (1 + run.eta);
                     auto moved = constant_step(at, x0, h_eta);
                     if (last.x0.defined())
                       moved = moved + multistep_terms(x0, last, before, h, h_eta);
                     before = last;
                     last = {x0, h};
                     return SigmaStepResult{with_noise(run, moved, step), x0};
                   });
}

}  // namespace sd
