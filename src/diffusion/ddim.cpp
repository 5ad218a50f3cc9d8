#include "diffusion/step.h"
#include "sd/core/error.h"

namespace sd {

torch::Tensor sample_ddim(Denoiser& denoiser, torch::Tensor x, const SampleRun& run) {
  if (run.eta < 0 || run.eta > 1) throw UsageError("eta must lie in [0, 1]");
  if (run.eta > 0 && run.noise == nullptr) throw UsageError("eta above 0 needs a noise source");
  for (int64_t i = 0; i < run.schedule.size(); ++i) {
    const auto& step = run.schedule.steps[i];
    const auto eps = denoiser.eps(x, static_cast<double>(step.t), i);
    const double sigma = ddim_sigma(step, run.eta);     // eq. 16
    const auto x0 = predict_x0(x, eps, step.alpha);     // eq. 9
    x = step_towards(x0, eps, step.alpha_prev, sigma);  // eq. 12
    if (sigma > 0) x = x + sigma * run.noise->like(x);
    x = finish_step(run, i, std::move(x), x0);
  }
  return x;
}

}  // namespace sd
