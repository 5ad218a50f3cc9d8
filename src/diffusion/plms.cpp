#include <deque>

#include "diffusion/step.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr double kLeastAlpha = 1e-6;  // far below what schedules end with otherwise

/// Adams–Bashforth combination of the newest ε with up to three older ones, newest first (eq. 12
/// and its lower orders).
torch::Tensor multistep(const torch::Tensor& eps, const std::deque<torch::Tensor>& older) {
  switch (older.size()) {
    case 1:
      return (3 * eps - older[0]) / 2;
    case 2:
      return (23 * eps - 16 * older[0] + 5 * older[1]) / 12;
    default:
      return (55 * eps - 59 * older[0] + 37 * older[1] - 9 * older[2]) / 24;
  }
}

}  // namespace

torch::Tensor sample_plms(Denoiser& denoiser, torch::Tensor x, const SampleRun& run) {
  if (run.eta != 0) throw UsageError("eta must be 0 for PLMS");
  const auto& steps = run.schedule.steps;
  std::deque<torch::Tensor> older;  // newest first, at most three
  for (int64_t i = 0; i < run.schedule.size(); ++i) {
    const auto& step = steps[i];
    const auto eps = denoiser.eps(x, static_cast<double>(step.t), i);
    torch::Tensor slope;
    // Of pure noise (zero terminal SNR) ε tells nothing that another step could go on with.
    const bool pure_noise = step.alpha < kLeastAlpha;
    if (pure_noise) {
      slope = eps;
    } else if (older.empty()) {  // improved Euler: average with ε at the step's end
      const auto trial = step_towards(predict_x0(x, eps, step.alpha), eps, step.alpha_prev, 0.0);
      const auto& next = steps[std::min<int64_t>(i + 1, run.schedule.size() - 1)];
      slope = (eps + denoiser.eps(trial, static_cast<double>(next.t), i)) / 2;
    } else {
      slope = multistep(eps, older);
    }
    const auto x0 = predict_x0(x, slope, step.alpha);
    x = step_towards(x0, slope, step.alpha_prev, 0.0);
    if (!pure_noise) older.push_front(eps);
    if (older.size() > 3) older.pop_back();
    x = finish_step(run, i, std::move(x), x0);
  }
  return x;
}

}  // namespace sd
