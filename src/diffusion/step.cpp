#include "diffusion/step.h"

#include <cmath>

#include "sd/core/error.h"

namespace sd {

torch::Tensor predict_x0(const torch::Tensor& x, const torch::Tensor& eps, double alpha) {
  return ((x - std::sqrt(1 - alpha) * eps) / std::sqrt(alpha)).to(x.scalar_type());
}

torch::Tensor step_towards(const torch::Tensor& x0, const torch::Tensor& eps, double alpha_prev,
                           double sigma) {
  return (std::sqrt(alpha_prev) * x0 + std::sqrt(1 - alpha_prev - sigma * sigma) * eps)
      .to(x0.scalar_type());
}

torch::Tensor add_noise(const torch::Tensor& x0, const torch::Tensor& noise, double alpha) {
  return std::sqrt(alpha) * x0 + std::sqrt(1 - alpha) * noise;
}

torch::Tensor finish_step(const StepHooks& hooks, const StepPlace& place, torch::Tensor x,
                          const torch::Tensor& x0) {
  if (hooks.edit) x = hooks.edit(std::move(x), place.step);
  if (hooks.on_step) {
    const StepReport report{place.step, place.num_steps, place.t, x, x0};
    if (!hooks.on_step(report)) throw Cancelled();
  }
  return x;
}

torch::Tensor finish_step(const SampleRun& run, int64_t step, torch::Tensor x,
                          const torch::Tensor& x0) {
  const auto t = static_cast<double>(run.schedule.steps[step].t);
  return finish_step(run, {step, run.schedule.size(), t}, std::move(x), x0);
}

}  // namespace sd
