#include "sd/pipeline/draw.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <memory>
#include <optional>

#include "nn/gpu.h"
#include "nn/kept_memory.h"
#include "pipeline/appearance.h"
#include "pipeline/approximations.h"
#include "pipeline/control_run.h"
#include "pipeline/encode.h"
#include "pipeline/guard.h"
#include "pipeline/guide_run.h"
#include "pipeline/inversion_draw.h"
#include "pipeline/model_parts.h"
#include "pipeline/noise_model.h"
#include "pipeline/sharing_run.h"
#include "pipeline/start.h"
#include "pipeline/step_watch.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/diffusion/brownian.h"

namespace sd {
namespace {

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

bool report(const DrawRequest& request, Progress::Stage stage, int64_t done, int64_t total) {
  return !request.on_progress || request.on_progress({stage, done, total});
}

/// Where the input picture is put back after a step, by a mask that says how much each pixel may
/// change: white − mask > (step + 1) / steps (arXiv:2306.00950, algorithm 1, whose step begins
/// where this one ends), and behind the last step where nothing may change.
torch::Tensor kept_by_grade(const Start& start, int64_t step) {
  const double done = static_cast<double>(step + 1) / static_cast<double>(start.plan.size());
  return done < 1 ? (1 - start.mask).gt(done) : start.mask.eq(0);
}

/// Puts the input picture back where the targets may not change: re-noised to where the next step
/// starts, after the last step as it is. All targets of a sample get the same noise.
torch::Tensor put_back(torch::Tensor x, const Start& start, const BatchRows& rows, int64_t step,
                       NoiseSource& noise) {
  const bool last = step + 1 == start.plan.size();
  const auto known =
      last ? start.x0 : start.plan.at_end_of(step, start.x0, noise.like(start.x0));  // [N,4,h,w]
  const auto kept = start.graded ? kept_by_grade(start, step) : torch::Tensor();
  for (int64_t target = 0; target < rows.targets; ++target) {
    const auto branch = x.narrow(0, target * rows.samples, rows.samples);
    branch.copy_(start.graded ? at::where(kept, known, branch)
                              : start.mask * branch + (1 - start.mask) * known);
  }
  return x;
}

/// Everything that happens between two steps. Guides are asked last: what they are shown is what
/// the next step would begin with.
StepHooks make_hooks(const DrawRequest& request, const Start& start, const BatchRows& rows,
                     const AppearanceStatistics* appearance, const LatentEdits& edits,
                     NoiseSource& noise, GuideRun& guides, StepWatch& watch) {
  StepHooks hooks;
  if (!edits.empty() || start.mask.defined() || !request.guides.empty() || appearance != nullptr) {
    hooks.edit = [&, appearance](torch::Tensor x, int64_t step) {
      const StepInfo at{step, start.plan.size(), start.plan.timestep(step), 0};
      const auto groups = rows.groups(GuidancePass::kConditional);
      if (appearance != nullptr) {
        x = appearance->after(std::move(x), at, groups);
      }
      for (auto* edit : edits) {
        x = edit->edit(std::move(x), at, groups);
      }
      if (start.mask.defined()) x = put_back(std::move(x), start, rows, step, noise);
      const bool last = step + 1 == start.plan.size();
      return last ? x : guides.before(step + 1, std::move(x));
    };
  }
  hooks.on_step = [&](const StepReport& step) {
    watch.after(step);
    if (request.on_step && !request.on_step(step)) return false;
    return report(request, Progress::Stage::kSample, step.step + 1, step.num_steps);
  };
  return hooks;
}

/// Where a noise level lies on a Brownian path, which ends at 256: what is above 255, which only
/// schedules that end in pure noise have, is drawn together below.
double path_level(double sigma) {
  constexpr double kPlain = 255;
  return sigma <= kPlain ? sigma : kPlain + 1 - kPlain / sigma;
}

/// The noise that samplers with random steps draw. Each sample gets one noise, and all branches of
/// the sample share it. So a source is the picture of its prompt alone, and equal prompts stay
/// equal.
StepNoise make_step_noise(const DrawRequest& request, const BatchRows& rows, NoiseSource& noise) {
  const auto one_a_sample = [rows](const torch::Tensor& x) { return x.narrow(0, 0, rows.samples); };
  if (info_of(request.sampler).noise == StepNoiseKind::kBrownian) {
    std::vector<uint64_t> seeds;
    for (int64_t i = 0; i < rows.samples; ++i) {
      seeds.push_back(request.seed + static_cast<uint64_t>(i));
    }
    if (!request.seeds.empty()) seeds = request.seeds;
    return [=, path = BrownianNoise(std::move(seeds))](const torch::Tensor& x, double sigma,
                                                       double next) mutable {
      return rows.spread(path(one_a_sample(x), path_level(sigma), path_level(next)));
    };
  }
  return [=, &noise](const torch::Tensor& x, double, double) {
    return rows.spread(noise.like(one_a_sample(x)));
  };
}

/// Stands in for a model where only the random numbers of a run matter.
class ZeroDenoiser final : public Denoiser {
 public:
  torch::Tensor eps(const torch::Tensor& x, double, int64_t) override { return at::zeros_like(x); }
};

torch::Tensor sample(const LoadedModel& model, const DrawRequest& asked, NoiseSource& noise,
                     int64_t* unet_calls) {
  const auto request = asked.inversion ? along_inversion(model, asked) : asked;
  const auto rows = BatchRows::of(request);
  check_approximations(model, request);
  check_sharing(model, request);
  const auto start = request.inversion ? start_along(model, request, rows, noise)
                                       : make_start(model, request, rows, noise);
  AlongInversion along(model, request, start, rows);
  put_part_away(model, ModelPart::kEncoder);
  if (start.plan.size() == 0) return start.latents;
  if (request.noise_only) {
    ZeroDenoiser nothing;
    StepHooks hooks;
    if (start.mask.defined()) {
      hooks.edit = [&](torch::Tensor x, int64_t step) {
        return put_back(std::move(x), start, rows, step, noise);
      };
    }
    return start.plan.run(nothing, start.latents, hooks, along.noise(noise),
                          make_step_noise(request, rows, noise));
  }
  if (!report(request, Progress::Stage::kEncode, 0, 1)) throw Cancelled();
  const auto predicts = std::make_shared<BatchNoiseModel>(
      model, request, start.extra, start.plan.timesteps(),
      control_run_of(model, request, start.plan.timesteps(), start.latents), unet_calls);
  const auto ask = [predicts](const torch::Tensor& x, double t, int64_t step) {
    return (*predicts)(x, t, step);
  };
  GuidedDenoiser denoiser(ask, guidance_of(model, request), start.plan.size(),
                          self_attention_of(predicts), concept_attention_of(predicts));
  put_part_away(model, ModelPart::kText);
  const auto unet = use_part(model, ModelPart::kUNet);
  if (!report(request, Progress::Stage::kSample, 0, start.plan.size())) throw Cancelled();
  StepWatch watch;
  GuideRun guides(request, rows, start.plan, predicts);
  const auto edits = along.edits(request);
  std::optional<AppearanceStatistics> appearance;
  if (request.sharing && request.sharing->appearance)
    appearance.emplace(model, request.sharing, start.plan, start.latents.sizes());
  auto latents =
      start.plan.run(along.around(denoiser), guides.before(0, start.latents),
                     make_hooks(request, start, rows, appearance ? &*appearance : nullptr, edits,
                                noise, guides, watch),
                     along.noise(noise), make_step_noise(request, rows, noise));
  watch.finish();
  return latents;
}

/// Rows that are to be decoded: all, or one sample's in every branch.
std::vector<int64_t> wanted_rows(const DrawRequest& request, int64_t rows) {
  const auto samples = BatchRows::of(request).samples;
  std::vector<int64_t> wanted;
  for (int64_t row = 0; row < rows; ++row) {
    if (!request.decode_only || row % samples == *request.decode_only) wanted.push_back(row);
  }
  return wanted;
}

/// Before another part of the model runs: its tensors are of other sizes, and what was kept for
/// those of the UNet would be no use to it.
void give_back_memory(const LoadedModel& model, bool unet_goes) {
  if (unet_goes) put_part_away(model, ModelPart::kUNet);
  if (model.parts) release_kept_memory();
  if (model.parts && model.parts->one_at_a_time()) {
    gpu::give_back_memory(torch::Device(model.device));
  }
}

/// At the end of a drawing, however it ends.
struct MemoryAtRest {
  const LoadedModel& model;
  ~MemoryAtRest() { give_back_memory(model, false); }
};

DrawResult draw_watched(const LoadedModel& model, const DrawRequest& request, NoiseSource& noise) {
  const c10::InferenceMode inference;
  const c10::DeviceGuard current{torch::Device(model.device)};
  const MemoryAtRest at_rest{model};
  DrawResult result;
  auto began = std::chrono::steady_clock::now();
  result.latents = guard_torch(
      "sampling", [&] { return sample(model, request, noise, &result.timing.unet_calls).cpu(); });
  result.timing.sample = seconds_since(began);
  give_back_memory(model, request.last || (model.parts && model.parts->one_at_a_time()));
  if (request.decode && !request.noise_only) {
    began = std::chrono::steady_clock::now();
    const auto wanted = wanted_rows(request, result.latents.size(0));
    const auto on_picture = [&](int64_t done) {
      const auto total = static_cast<int64_t>(wanted.size());
      if (!report(request, Progress::Stage::kDecode, done, total)) throw Cancelled();
    };
    on_picture(0);
    auto pictures = guard_torch("decoding", [&] {
      const auto latents = result.latents.index_select(0, at::tensor(wanted, at::kLong));
      return decode_latents(model, latents, on_picture, &result.decoder_overflowed);
    });
    result.pictures.resize(static_cast<std::size_t>(result.latents.size(0)));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      result.pictures[static_cast<std::size_t>(wanted[i])] = std::move(pictures[i]);
    }
    result.timing.decode = seconds_since(began);
  }
  return result;
}

}  // namespace

SeededNoise noise_of(const LoadedModel& model, const DrawSettings& settings) {
  return {settings.seed, RngChoice::kDevice, torch::Device(model.device)};
}

DrawResult draw(const LoadedModel& model, const DrawRequest& request, NoiseSource& noise) {
  // Weights may be read where they lie in their file, in every step.
  return with_files_unchanged([&] { return draw_watched(model, request, noise); });
}

}  // namespace sd
