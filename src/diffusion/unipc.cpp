#include <cmath>
#include <utility>

#include "diffusion/sigma_step.h"

namespace sd {
namespace {

/// B(h), φ_1 and the right-hand sides of arXiv:2302.04867, eq. 12, for a step of −h in log σ.
struct Coefficients {
  double phi_1;  // e^(−h) − 1, which is B(h) too
  double b_1;    // h φ_2 / B
  double b_2;    // 2 h φ_3 / B

  explicit Coefficients(double h) {
    phi_1 = std::expm1(-h);
    const double second = phi_1 / -h - 1;
    b_1 = second / phi_1;
    b_2 = 2 * (second / -h - 0.5) / phi_1;
  }
};

/// What the corrector of a step needs from the step before.
struct Predicted {
  torch::Tensor x;      // where that step began, corrected
  torch::Tensor end;    // where the predictor ended it
  torch::Tensor x0;     // D there
  torch::Tensor older;  // D one step earlier, where the step was of second order
  double ratio = 1;     // σ_next / σ
  double h = 0;
  double r = 0;  // distance to `older` in units of h, negative
};

/// UniC: the step again, with D at its end known.
torch::Tensor correct(const Predicted& before, const torch::Tensor& x0) {
  const Coefficients c(before.h);
  const auto straight = before.ratio * before.x - c.phi_1 * before.x0;
  const auto newest = x0 - before.x0;
  if (!before.older.defined()) return straight - c.phi_1 * 0.5 * newest;
  // [1 1; r 1] ρ = [b_1; b_2]
  const double rho_old = (c.b_1 - c.b_2) / (1 - before.r);
  const double rho_new = c.b_1 - rho_old;
  const auto oldest = (before.older - before.x0) / before.r;
  return straight - c.phi_1 * (rho_old * oldest + rho_new * newest);
}

/// UniP: to the end of the step; the weight of the second order is 1/2 as the authors have it.
torch::Tensor predict(const Predicted& now) {
  const Coefficients c(now.h);
  const auto straight = now.ratio * now.x - c.phi_1 * now.x0;
  if (!now.older.defined()) return straight;
  return straight - c.phi_1 * 0.5 * (now.older - now.x0) / now.r;
}

}  // namespace

torch::Tensor sample_unipc(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  Predicted before;
  return run_steps(denoiser, std::move(x), run,
                   [&](const torch::Tensor& at, const SigmaStep& step) {
                     const auto x0 = denoiser.denoised(at, step.sigma, step.index);
                     if (step.last()) return SigmaStepResult{x0, x0};
                     Predicted now;
                     // What an edit changed after that step stays changed.
                     now.x = before.x.defined() ? correct(before, x0) + (at - before.end) : at;
                     now.x0 = x0;
                     now.ratio = step.next / step.sigma;
                     now.h = step.h();
                     // As diffusers, the last step is of first order: there is little left to
                     // extrapolate over.
                     if (before.x0.defined() && step.index + 1 < run.num_steps()) {
                       now.older = before.x0;
                       now.r = -before.h / now.h;
                     }
                     now.end = predict(now);
                     before = now;
                     return SigmaStepResult{now.end.clone(), x0};  // an edit may work in place
                   });
}

}  // namespace sd
