#include "sd/diffusion/denoiser.h"

#include <ATen/ops/cat.h>

#include <cmath>

namespace sd {

torch::Tensor eps_from_velocity(const torch::Tensor& v, const torch::Tensor& x, double alpha) {
  return std::sqrt(alpha) * v + std::sqrt(1 - alpha) * x;
}

std::vector<GuidancePass> Guidance::passes() const {
  using enum GuidancePass;
  if (picture_scale.value_or(1.0) != 1.0) return {kBlind, kUnconditional, kConditional};
  if (scale == 1.0) return {kConditional};
  return {kUnconditional, kConditional};
}

torch::Tensor GuidedDenoiser::eps(const torch::Tensor& x, double t, int64_t step) {
  const auto count = static_cast<int64_t>(passes_.size());
  if (count == 1) return model_(x, t, step);
  const auto eps = model_(at::cat(std::vector(passes_.size(), x)), t, step).chunk(count);
  const auto& conditional = eps.back();
  const auto guided = eps.front() + guidance_.scale * (conditional - eps[passes_.size() - 2]);
  if (count == 2) return guided;
  return guided + *guidance_.picture_scale * (eps[1] - eps[0]);
}

}  // namespace sd
