#include "pipeline/start.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "pipeline/check.h"
#include "pipeline/encode.h"
#include "pipeline/picture_channels.h"
#include "sd/core/error.h"

namespace sd {

void check_sides(const LoadedModel& model, int64_t width, int64_t height) {
  // The autoencoder shrinks by its factor, the UNet halves once a level: both must divide.
  const int64_t multiple = model.config.vae.factor() << (model.config.unet.channel_mult.size() - 1);
  for (const auto& [name, pixels] : {std::pair{"height", height}, {"width", width}}) {
    if (pixels < multiple || pixels % multiple != 0) {
      throw UsageError(
          fmt::format("{} is {}; this model needs a multiple of {}", name, pixels, multiple));
    }
  }
}

namespace {

void check_shape(const torch::Tensor& found, const std::vector<int64_t>& expected,
                 const char* what) {
  if (found.sizes() == at::IntArrayRef(expected)) return;
  throw UsageError(fmt::format("{} have shape [{}], expected [{}]", what,
                               fmt::join(found.sizes(), ", "), fmt::join(expected, ", ")));
}

/// [N,C,h,w] of the batch.
std::vector<int64_t> latent_shape(const LoadedModel& model, const DrawRequest& request,
                                  const BatchRows& rows) {
  if (const auto& picture = request.init_image) {
    const int64_t count = picture->dim() == 4 ? picture->size(0) : 0;
    if ((count != 1 && count != rows.samples) || picture->size(1) != 3) {
      throw UsageError(fmt::format("the input picture has shape [{}], expected [1 or {},3,H,W]",
                                   fmt::join(picture->sizes(), ", "), rows.samples));
    }
  }
  const auto [width, height] = size_of(model, request);
  check_sides(model, width, height);
  const int64_t factor = model.config.vae.factor();
  return {rows.samples, model.config.latent_channels(), height / factor, width / factor};
}

torch::Tensor start_noise(const LoadedModel& model, const DrawRequest& request,
                          const std::vector<int64_t>& shape, NoiseSource& noise) {
  if (!request.start_latents) return noise.randn(shape);
  check_shape(*request.start_latents, shape, "start latents");
  require_finite(*request.start_latents, "start latents");
  return request.start_latents->to(torch::Device(model.device), at::kFloat);
}

torch::Tensor checked_mask(const LoadedModel& model, const torch::Tensor& mask,
                           const std::vector<int64_t>& shape) {
  const int64_t count = mask.dim() == 4 && mask.size(0) == 1 ? 1 : shape[0];
  check_shape(mask, {count, 1, shape[2], shape[3]}, "the mask's values");
  if (!mask.ge(0).logical_and(mask.le(1)).all().item<bool>()) {
    throw UsageError("the mask has values outside [0, 1]");
  }
  return mask.to(torch::Device(model.device), at::kFloat);
}

/// How much of the schedule runs; nothing: all of it, from noise alone.
std::optional<double> strength_to_run(const LoadedModel& model, const DrawRequest& request) {
  if (request.mask && !request.init_image) throw UsageError("a mask needs an input picture");
  const bool shown = model.config.extra() != UNetExtra::kNone;  // the picture, by other channels
  if (request.init_image && !request.strength && !shown) {
    throw UsageError("an input picture needs a strength");
  }
  if (!request.strength) return std::nullopt;
  if (shown && request.init_image && *request.strength == 1) return std::nullopt;
  if (request.init_image || steps_at_strength(*request.strength, request.steps) > 0) {
    return request.strength;
  }
  throw UsageError(fmt::format("strength {} of {} steps leaves none to draw from noise",
                               *request.strength, request.steps));
}

}  // namespace

Size size_of(const LoadedModel& model, const DrawRequest& request) {
  if (const auto& picture = request.init_image) return {picture->size(3), picture->size(2)};
  const auto side = [&](int64_t pixels) {
    return pixels == 0 ? model.config.default_pixels() : pixels;
  };
  return {side(request.width), side(request.height)};
}

NoiseSchedule noise_schedule(const ModelConfig& config, const DrawSettings& settings) {
  auto schedule =
      NoiseSchedule::sqrt_linear(config.linear_start, config.linear_end, config.timesteps);
  if (!config.zero_terminal_snr && !settings.zero_terminal_snr) return schedule;
  if (config.prediction != Prediction::kVelocity) {
    throw UsageError(
        "zero_terminal_snr: this model predicts noise (eps), which tells nothing where there is "
        "nothing but noise\nTake a model that predicts velocities, or give --prediction v where "
        "this "
        "one does.");
  }
  using enum SamplerKind;
  if (const auto kind = settings.sampler;
      kind == kHeun || kind == kDpm2 || kind == kDpm2Ancestral) {
    throw UsageError(fmt::format(
        "zero_terminal_snr: {} takes the first step by a slope further down, and from pure noise "
        "that misses by far\nTake ddim, euler, euler_a, unipc or one of the dpm++ samplers.",
        info_of(kind).name));
  }
  // σ samplers begin where float16 ends, as in diffusers; the others all but at pure noise.
  const bool by_sigma = sigma_sampler(settings.sampler) != nullptr;
  return schedule.with_zero_terminal_snr(by_sigma ? std::exp2(-24) : 1e-12);
}

Start make_start(const LoadedModel& model, const DrawRequest& request, const BatchRows& rows,
                 NoiseSource& noise) {
  const auto shape = latent_shape(model, request, rows);
  const auto strength = strength_to_run(model, request);
  Start start;
  start.plan = SamplingPlan::make(noise_schedule(model.config, request), request, strength);
  if (request.graded_mask && !request.mask) throw UsageError("a graded mask needs a mask");
  if (request.graded_mask && model.config.extra() == UNetExtra::kMaskedPicture) {
    throw UsageError(
        "a graded mask: an inpainting model is shown what may change and what may not");
  }
  if (request.mask) {
    start.graded = request.graded_mask;
    auto mask = checked_mask(model, *request.mask, shape);
    // One that lets everything change is none: it draws no noise to put back.
    if (!mask.eq(1).all().item<bool>()) start.mask = std::move(mask);
  }
  torch::Tensor means;
  if (request.init_image) {
    means = request.noise_only
                ? at::zeros(shape, at::TensorOptions().device(torch::Device(model.device)))
                : picture_means(model, *request.init_image);
    start.x0 = (model.config.scale_factor * means).expand(shape);
    if (start.plan.size() == 0) {
      start.latents = rows.spread(start.x0);
      return start;
    }
  }
  if (!request.noise_only) start.extra = picture_channels(model, request, means);
  if (model.config.extra() == UNetExtra::kMaskedPicture) start.mask.reset();
  const auto drawn = start_noise(model, request, shape, noise);
  start.latents =
      rows.spread(start.x0.defined() && strength ? start.plan.from_picture(start.x0, drawn)
                                                 : start.plan.from_noise(drawn));
  return start;
}

}  // namespace sd
