#include "sd/diffusion/denoiser.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

namespace sd {

namespace {

/// φ·ε·σ(ε_cond)/σ(ε) + (1−φ)·ε, with the standard deviations of each picture over channels and
/// pixels (arXiv:2305.08891, section 3.4). A prediction without contrast stays as it is.
torch::Tensor rescaled(const torch::Tensor& guided, const torch::Tensor& conditional, double phi) {
  const auto deviation = [](const torch::Tensor& eps) {
    return eps.std(at::IntArrayRef{1, 2, 3}, /*unbiased=*/true, /*keepdim=*/true);
  };
  const auto own = deviation(guided);
  const auto ratio = at::where(own > 0, deviation(conditional) / own, at::ones_like(own));
  return guided * (phi * ratio + (1 - phi));
}

}  // namespace

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
  const auto prompts = towards_prompts(eps);
  const auto towards =
      guidance_.row_scales.empty()
          ? guidance_.guidance_scale * prompts
          : at::tensor(guidance_.row_scales, prompts.options()).view({-1, 1, 1, 1}) * prompts;
  auto guided = eps.front() + towards;
  if (guidance_.picture_scale.value_or(1.0) != 1.0) {
    guided = guided + *guidance_.picture_scale * (eps[1] - eps[0]);
  }
  const double phi = guidance_.guidance_rescale;
  if (phi == 0) return guided;
  const auto& parts = guidance_.part_weights;
  // Of several prompts, what guidance at scale 1 would predict.
  return rescaled(guided, parts.empty() ? eps.back() : eps[passes_ - parts.size() - 1] + prompts,
                  phi);
}

}  // namespace sd
