#include "sd/pipeline/draw.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <chrono>

#include "pipeline/check.h"
#include "pipeline/encode.h"
#include "pipeline/guard.h"
#include "pipeline/noise_model.h"
#include "pipeline/start.h"
#include "sd/core/error.h"

namespace sd {
namespace {

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

bool report(const DrawRequest& request, Progress::Stage stage, int64_t done, int64_t total) {
  return !request.on_progress || request.on_progress({stage, done, total});
}

/// Puts the input picture back where the targets may not change: re-noised to where the next step
/// starts, after the last step as it is. All targets of a sample get the same noise.
torch::Tensor put_back(torch::Tensor x, const Start& start, const BatchRows& rows, int64_t step,
                       NoiseSource& noise) {
  const bool last = step + 1 == start.schedule.size();
  const auto known = last ? start.x0
                          : add_noise(start.x0, noise.like(start.x0),
                                      start.schedule.steps[step].alpha_prev);  // [N,4,h,w]
  for (int64_t target = 0; target < rows.targets; ++target) {
    const auto branch = x.narrow(0, target * rows.samples, rows.samples);
    branch.copy_(start.mask * branch + (1 - start.mask) * known);
  }
  return x;
}

/// Everything that happens between two steps, in the sampler's terms.
SampleRun make_run(const DrawRequest& request, const Start& start, const BatchRows& rows,
                   NoiseSource& noise) {
  SampleRun run;
  run.schedule = start.schedule;
  run.eta = request.eta;
  run.noise = &noise;
  if (request.latent_edit != nullptr || start.mask.defined()) {
    run.edit = [&](torch::Tensor x, int64_t step) {
      const auto t = static_cast<double>(start.schedule.steps[step].t);
      if (request.latent_edit != nullptr) {
        x = request.latent_edit->edit(std::move(x), {step, start.schedule.size(), t, 0},
                                      rows.groups(GuidancePass::kConditional));
      }
      return start.mask.defined() ? put_back(std::move(x), start, rows, step, noise) : x;
    };
  }
  run.on_step = [&](const StepReport& step) {
    require_finite(step.x, fmt::format("latents after step {} of {} (t = {})", step.step + 1,
                                       step.num_steps, step.t));
    if (request.on_step && !request.on_step(step)) return false;
    return report(request, Progress::Stage::kSample, step.step + 1, step.num_steps);
  };
  return run;
}

torch::Tensor sample(const LoadedModel& model, const DrawRequest& request, NoiseSource& noise,
                     int64_t* unet_calls) {
  const auto rows = BatchRows::of(request);
  const auto start = make_start(model, request, rows, noise);
  if (start.schedule.size() == 0) return start.latents;
  if (!report(request, Progress::Stage::kEncode, 0, 1)) throw Cancelled();
  const auto run = make_run(request, start, rows, noise);
  GuidedDenoiser denoiser(
      BatchNoiseModel(model, request, start.extra, run.schedule.size(), unet_calls),
      guidance_of(model, request));
  if (!report(request, Progress::Stage::kSample, 0, run.schedule.size())) throw Cancelled();
  return request.sampler == SamplerKind::kPlms ? sample_plms(denoiser, start.latents, run)
                                               : sample_ddim(denoiser, start.latents, run);
}

}  // namespace

DrawResult draw(const LoadedModel& model, const DrawRequest& request, NoiseSource& noise) {
  const c10::InferenceMode inference;
  DrawResult result;
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
