#include <ATen/ops/upsample_nearest2d.h>

#include "core/gaussian_blur.h"
#include "diffusion/added_guidance.h"
#include "sd/diffusion/samplers.h"

namespace sd {
namespace {

constexpr int64_t kTaps = 9;        // of the published blur
constexpr double kThreshold = 1.0;  // of what a pixel is paid in all: 1 is its even share

}  // namespace

torch::Tensor self_attention_difference(const SelfAttentionModel& model, const Guidance& guidance,
                                        const torch::Tensor& eps, const PredictionPlace& place,
                                        double t, int64_t step) {
  const auto clean = place.clean(eps);
  const auto looked_at =
      model.attention().to(clean.device()).gt(kThreshold).to(clean.scalar_type()).unsqueeze(1);
  const auto mask = at::upsample_nearest2d(looked_at, {clean.size(2), clean.size(3)});
  const auto blurred = gaussian_blur(clean, kTaps, guidance.added.sag_sigma);
  const auto degraded = add_noise(mask * blurred + (1 - mask) * clean, eps, place.alpha);
  const auto again = model.again(degraded, t, step);
  if (!guidance.velocity) return eps - again;
  // Differences of velocities, in ε's measure: the latents differ too.
  const PredictionPlace there{degraded, place.alpha};
  return std::sqrt(place.alpha) * (place.velocity(eps) - there.velocity(again));
}

}  // namespace sd
