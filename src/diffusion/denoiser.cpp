#include "sd/diffusion/denoiser.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

namespace sd {

torch::Tensor eps_from_velocity(const torch::Tensor& v, const torch::Tensor& x, double alpha) {
  return std::sqrt(alpha) * v + std::sqrt(1 - alpha) * x;
}

std::vector<GuidancePass> Guidance::passes() const {
  using enum GuidancePass;
  std::vector<GuidancePass> passes;
  const bool composed = !part_weights.empty();
  if (picture_scale.value_or(1.0) != 1.0) passes = {kBlind, kUnconditional};
  const bool guided = row_scales.empty() ? guidance_scale != 1.0
                                         : std::any_of(row_scales.begin(), row_scales.end(),
                                                       [](double of_row) { return of_row != 1.0; });
  if (passes.empty() && (guided || composed)) passes = {kUnconditional};
  passes.insert(passes.end(), composed ? part_weights.size() : 1, kConditional);
  return passes;
}

/// What is scaled: from the last pass without a prompt to those with one.
torch::Tensor GuidedDenoiser::towards_prompts(const std::vector<torch::Tensor>& eps) const {
  const auto& weights = guidance_.part_weights;
  if (weights.empty()) return eps.back() - eps[passes_ - 2];
  const std::size_t first = passes_ - weights.size();
  const auto& unconditional = eps[first - 1];
  auto sum = at::zeros_like(unconditional);
  for (std::size_t part = 0; part < weights.size(); ++part) {
    const auto of_rows = at::tensor(weights[part], unconditional.options()).view({-1, 1, 1, 1});
    sum.add_(of_rows * (eps[first + part] - unconditional));
  }
  return sum;
}

torch::Tensor GuidedDenoiser::eps(const torch::Tensor& x, double t, int64_t step) {
  if (passes_ == 1) return model_(x, t, step);
  const auto eps =
      model_(at::cat(std::vector(passes_, x)), t, step).chunk(static_cast<int64_t>(passes_));
  auto towards = towards_prompts(eps);
  if (guidance_.row_scales.empty()) {
    towards = guidance_.guidance_scale * towards;
  } else {
    towards = at::tensor(guidance_.row_scales, towards.options()).view({-1, 1, 1, 1}) * towards;
  }
  const auto guided = eps.front() + towards;
  if (!guidance_.picture_scale || *guidance_.picture_scale == 1.0) return guided;
  return guided + *guidance_.picture_scale * (eps[1] - eps[0]);
}

}  // namespace sd
