#include "sd/pipeline/txt2img.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "pipeline/check.h"
#include "pipeline/encode.h"
#include "pipeline/guard.h"
#include "sd/core/error.h"
#include "sd/diffusion/samplers.h"
#include "sd/models/latent_diffusion.h"

namespace sd {
namespace {

void check_request(const LoadedModel& model, const Txt2ImgRequest& request) {
  if (request.prompts.empty()) throw UsageError("no prompts given");
  // The autoencoder shrinks by its factor, the UNet halves once a level: both must divide.
  const int64_t multiple = model.config.vae.factor() << (model.config.unet.channel_mult.size() - 1);
  for (const auto& [name, pixels] :
       {std::pair{"height", request.height}, {"width", request.width}}) {
    if (pixels < multiple || pixels % multiple != 0) {
      throw UsageError(
          fmt::format("{} is {}; this model needs a multiple of {}", name, pixels, multiple));
    }
  }
}

torch::Tensor start_latents(const LoadedModel& model, const Txt2ImgRequest& request,
                            NoiseSource& noise) {
  const int64_t factor = model.config.vae.factor();
  const std::vector<int64_t> shape = {static_cast<int64_t>(request.prompts.size()),
                                      model.config.unet.in_channels, request.height / factor,
                                      request.width / factor};
  if (!request.start_latents) return noise.randn(shape);
  if (request.start_latents->sizes() != at::IntArrayRef(shape)) {
    throw UsageError(fmt::format("start latents have shape [{}], expected [{}]",
                                 fmt::join(request.start_latents->sizes(), ", "),
                                 fmt::join(shape, ", ")));
  }
  require_finite(*request.start_latents, "start latents");
  return request.start_latents->to(torch::Device(model.device), at::kFloat);
}

/// Binds a UNet to the contexts of one batch. Rows: [uncond; cond] with guidance, else cond alone.
class BatchNoiseModel {
 public:
  BatchNoiseModel(const LoadedModel& model, const Txt2ImgRequest& request, int64_t num_steps,
                  int64_t* calls)
      : model_(model), calls_(calls) {
    const int64_t n = static_cast<int64_t>(request.prompts.size());
    context_ = encode_prompts(model, request.prompts);  // [N,77,D]
    run_.controller = request.controller;
    run_.step.num_steps = num_steps;
    if (GuidedDenoiser::needs_unconditional(request.guidance_scale)) {
      const std::vector<std::string> negative(request.prompts.size(), request.negative_prompt);
      context_ = at::cat({encode_prompts(model, negative), context_});  // [2N,77,D]
      run_.rows = {{RowGroup::Branch::kTarget, false, 0, n},
                   {RowGroup::Branch::kTarget, true, n, n}};
    } else {
      run_.rows = {{RowGroup::Branch::kTarget, true, 0, n}};
    }
  }

  torch::Tensor operator()(const torch::Tensor& x, double t, int64_t step) {
    ++*calls_;
    run_.step.step = step;
    run_.step.timestep = t;
    const auto timesteps = at::full({x.size(0)}, t, x.options());
    return model_.model->unet->forward(x.to(model_.compute_dtype), timesteps, context_, run_)
        .to(at::kFloat);
  }

 private:
  const LoadedModel& model_;
  torch::Tensor context_;
  ForwardContext run_;
  int64_t* calls_;
};

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

bool report(const Txt2ImgRequest& request, Progress::Stage stage, int64_t done, int64_t total) {
  return !request.on_progress || request.on_progress({stage, done, total});
}

torch::Tensor sample(const LoadedModel& model, const Txt2ImgRequest& request, NoiseSource& noise,
                     int64_t* unet_calls) {
  const auto& config = model.config;
  SampleRun run;
  run.schedule = uniform_steps(
      NoiseSchedule::sqrt_linear(config.linear_start, config.linear_end, config.timesteps),
      request.steps);
  run.eta = request.eta;
  run.noise = &noise;
  run.on_step = [&](const StepReport& step) {
    require_finite(step.x, fmt::format("latents after step {} of {} (t = {})", step.step + 1,
                                       step.num_steps, step.t));
    if (request.on_step && !request.on_step(step)) return false;
    return report(request, Progress::Stage::kSample, step.step + 1, step.num_steps);
  };
  const auto x = start_latents(model, request, noise);
  if (!report(request, Progress::Stage::kEncode, 0, 1)) throw Cancelled();
  GuidedDenoiser denoiser(BatchNoiseModel(model, request, run.schedule.size(), unet_calls),
                          request.guidance_scale);
  if (!report(request, Progress::Stage::kSample, 0, run.schedule.size())) throw Cancelled();
  return request.sampler == SamplerKind::kPlms ? sample_plms(denoiser, x, run)
                                               : sample_ddim(denoiser, x, run);
}

}  // namespace

Txt2ImgResult txt2img(const LoadedModel& model, const Txt2ImgRequest& request, NoiseSource& noise) {
  check_request(model, request);
  const c10::InferenceMode inference;
  Txt2ImgResult result;
  auto began = std::chrono::steady_clock::now();
  result.latents = guard_torch(
      "sampling", [&] { return sample(model, request, noise, &result.timing.unet_calls).cpu(); });
  result.timing.sample = seconds_since(began);
  if (request.decode) {
    began = std::chrono::steady_clock::now();
    const int64_t total = result.latents.size(0);
    const auto on_picture = [&](int64_t done) {
      if (!report(request, Progress::Stage::kDecode, done, total)) throw Cancelled();
    };
    on_picture(0);
    result.pictures =
        guard_torch("decoding", [&] { return decode_latents(model, result.latents, on_picture); });
    result.timing.decode = seconds_since(began);
  }
  return result;
}

}  // namespace sd
