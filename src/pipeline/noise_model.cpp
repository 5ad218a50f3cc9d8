#include "pipeline/noise_model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include "pipeline/encode.h"
#include "sd/models/latent_diffusion.h"

namespace sd {

BatchNoiseModel::BatchNoiseModel(const LoadedModel& model, const DrawRequest& request,
                                 int64_t num_steps, int64_t* calls)
    : model_(model), calls_(calls) {
  const auto rows = BatchRows::of(request);
  context_ = encode_prompts(model, BatchRows::prompts(request));  // [B,77,D]
  run_.controller = request.controller;
  run_.step = {-1, num_steps, 0, 0};
  if (GuidedDenoiser::needs_unconditional(request.guidance_scale)) {
    const std::vector<std::string> negative(static_cast<std::size_t>(rows.total()),
                                            request.negative_prompt);
    context_ = at::cat({encode_prompts(model, negative), context_});  // [2B,77,D]
    run_.rows = rows.groups(/*conditional=*/false);
    const auto conditional = rows.groups(/*conditional=*/true, rows.total());
    run_.rows.insert(run_.rows.end(), conditional.begin(), conditional.end());
  } else {
    run_.rows = rows.groups(/*conditional=*/true);
  }
}

torch::Tensor BatchNoiseModel::operator()(const torch::Tensor& x, double t, int64_t step) {
  ++*calls_;
  if (step == run_.step.step) {
    ++run_.step.evaluation;  // the step keeps the timestep it began with
  } else {
    run_.step = {step, run_.step.num_steps, t, 0};
  }
  const auto timesteps = at::full({x.size(0)}, t, x.options());
  return model_.model->unet->forward(x.to(model_.compute_dtype), timesteps, context_, run_)
      .to(at::kFloat);
}

}  // namespace sd
