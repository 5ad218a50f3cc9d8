#include "sd/pipeline/auto_mask.h"

#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "pipeline/encode.h"
#include "pipeline/guard.h"
#include "pipeline/model_parts.h"
#include "pipeline/noise_model.h"
#include "pipeline/picture_channels.h"
#include "pipeline/sampling_plan.h"
#include "pipeline/start.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

namespace sd {
namespace {

constexpr int64_t kScheduleSteps = 50;  // of which the published code takes the timestep

void check(const LoadedModel& model, const AutoMaskRequest& request) {
  if (model.config.extra() != UNetExtra::kNone) {
    throw UsageError("auto mask: this model is shown a picture beside the latents");
  }
  const auto is_share = [](double value) { return value >= 0 && value < 1; };
  if (request.noises < 1 || !(request.noise_strength > 0 && request.noise_strength <= 1) ||
      !(request.clamp > 0) || !is_share(request.threshold)) {
    throw UsageError(fmt::format(
        "auto mask: {} noises of strength {}, clamp {}, threshold {}; expected at least one noise, "
        "a strength above 0 up to 1, a clamp above 0, a threshold from 0 up to, not including, 1",
        request.noises, request.noise_strength, request.clamp, request.threshold));
  }
}

/// The two prompts as one batch without guidance, and nothing that acts while pictures are drawn.
DrawRequest both_prompts(const AutoMaskRequest& request) {
  DrawRequest both(request);
  both.targets = {{request.target}};
  both.source = {request.source};
  both.guidance_scale = 1;
  both.guidance_interval = {};
  both.added = {};
  both.concept_edits.clear();
  both.deepcache = 1;
  both.controller = nullptr;
  both.controls.clear();
  both.sampler = SamplerKind::kDdim;
  both.scheduler.reset();
  both.timesteps.reset();
  both.eta = 0;
  both.steps = kScheduleSteps;
  both.init_image = request.init_image;
  both.strength = request.noise_strength;
  return both;
}

torch::Tensor mean_difference(const LoadedModel& model, const AutoMaskRequest& request,
                              NoiseSource& noise) {
  const auto both = both_prompts(request);
  const auto plan =
      SamplingPlan::make(noise_schedule(model.config, both), both, request.noise_strength);
  if (plan.size() == 0) throw UsageError("auto mask: the strength leaves no noise");
  const double t = plan.timestep(0);
  const double alpha = SigmaTable(noise_schedule(model.config, both)).alpha(t);
  const auto x0 = model.config.scale_factor * picture_means(model, request.init_image);
  if (!part_weights(model, both).empty()) {
    throw UsageError("auto mask: cannot look for prompts put together with AND");
  }
  int64_t calls = 0;
  BatchNoiseModel predicts(model, both, {}, {t}, nullptr, &calls);
  const auto unet = use_part(model, ModelPart::kUNet);
  auto sum = at::zeros({1, 1, x0.size(2), x0.size(3)}, x0.options());
  for (int64_t i = 0; i < request.noises; ++i) {
    if (request.on_progress &&
        !request.on_progress({Progress::Stage::kSample, i, request.noises})) {
      throw Cancelled();
    }
    const auto x = add_noise(x0, noise.like(x0), alpha);
    const auto eps = predicts(x.repeat({2, 1, 1, 1}), t, 0).chunk(2);
    sum.add_((eps[0] - eps[1]).abs().mean(1, true));
  }
  return sum.div_(static_cast<double>(request.noises));
}

}  // namespace

torch::Tensor auto_mask(const LoadedModel& model, const AutoMaskRequest& request,
                        NoiseSource& noise) {
  check(model, request);
  return with_files_unchanged([&] {
    const c10::InferenceMode inference;
    const c10::DeviceGuard current{torch::Device(model.device)};
    const auto difference =
        guard_torch("making a mask", [&] { return mean_difference(model, request, noise).cpu(); });
    const auto clamped = difference.clamp_max(request.clamp * difference.mean().item<double>());
    const double most = clamped.max().item<double>();
    if (most == 0) {
      throw UsageError(fmt::format(
          "auto mask: '{}' and '{}' predict the same everywhere, so there is nothing to change",
          request.source, request.target));
    }
    return clamped.div(most).gt(request.threshold).to(at::kFloat);
  });
}

}  // namespace sd
