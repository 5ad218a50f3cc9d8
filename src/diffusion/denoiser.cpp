#include "sd/diffusion/denoiser.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "diffusion/added_guidance.h"
#include "diffusion/concept_guidance.h"
#include "sd/core/error.h"

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

/// One number a row, against pictures.
torch::Tensor of_rows(const std::vector<double>& values, const torch::Tensor& eps) {
  return at::tensor(values, eps.options()).view({-1, 1, 1, 1});
}

torch::Tensor scaled(const Guidance& guidance, const torch::Tensor& eps) {
  const auto& scales = guidance.row_scales;
  return scales.empty() ? guidance.guidance_scale * eps : of_rows(scales, eps) * eps;
}

/// How much a part counts: a number a row, or one a pixel.
torch::Tensor part_weight(const Guidance& guidance, std::size_t part, const torch::Tensor& eps) {
  const auto rows = of_rows(guidance.part_weights[part], eps);
  return guidance.part_maps.empty() ? rows : rows * guidance.part_maps[part];
}

/// What is scaled: from the last pass without a prompt to those with one.
torch::Tensor towards_prompts(const Guidance& guidance, const std::vector<torch::Tensor>& eps) {
  const auto& weights = guidance.part_weights;
  if (weights.empty()) return eps.back() - eps[eps.size() - 2];
  const std::size_t first = eps.size() - weights.size();
  const auto& unconditional = eps[first - 1];
  auto sum = at::zeros_like(unconditional);
  for (std::size_t part = 0; part < weights.size(); ++part) {
    sum.add_(part_weight(guidance, part, unconditional) * (eps[first + part] - unconditional));
  }
  return sum;
}

/// Parts whose weights, scaled, add up to 1 in every row.
torch::Tensor parts_alone(const Guidance& guidance, const std::vector<torch::Tensor>& eps) {
  auto sum = at::zeros_like(eps.front());
  for (std::size_t part = 0; part < eps.size(); ++part) {
    sum.add_(part_weight(guidance, part, sum) * eps[part]);
  }
  return scaled(guidance, sum);
}

/// Predictions of the passes that are not perturbed, and what their sum is made with.
struct Predictions {
  const Guidance& guidance;
  std::vector<torch::Tensor> eps;
  PredictionPlace place;

  /// Where velocities are predicted, f of those of `a` and `b` as ε; else of `a` and `b`.
  template <typename F>
  torch::Tensor as_predicted(const torch::Tensor& a, const torch::Tensor& b, F f) const {
    if (!guidance.velocity) return f(a, b);
    return eps_from_velocity(f(place.velocity(a), place.velocity(b)), place.x, place.alpha);
  }
  /// What the prompt predicts; of several prompts, what guidance at scale 1 would.
  torch::Tensor conditional(const torch::Tensor& prompts) const {
    const auto& parts = guidance.part_weights;
    return parts.empty() ? eps.back() : eps[eps.size() - parts.size() - 1] + prompts;
  }
};

/// The differences that proximal guidance keeps.
torch::Tensor kept_differences(const torch::Tensor& prompts, const ProximalGuidance& proximal) {
  const auto size = prompts.abs();
  const auto least = at::quantile(size.flatten(1), proximal.quantile, 1).view({-1, 1, 1, 1});
  if (proximal.norm == ProximalNorm::kL1)
    return prompts - at::minimum(at::maximum(prompts, -least), least);
  return at::where(size > least, prompts, at::zeros_like(prompts));
}

void tell_dropped(GuidanceWatch& watch, const torch::Tensor& before, const torch::Tensor& kept,
                  int64_t step, int64_t num_steps) {
  if (!watch.asks_of_proximal()) return;
  const auto all = before.count_nonzero().item<int64_t>();
  if (all == 0) return;
  const auto left = kept.count_nonzero().item<int64_t>();
  watch.differences_dropped(step, num_steps,
                            static_cast<double>(all - left) / static_cast<double>(all));
}

/// What projected guidance leaves of the way to the prompts.
torch::Tensor projected_prompts(const Predictions& all, const torch::Tensor& prompts,
                                torch::Tensor& momentum) {
  const auto& apg = *all.guidance.added.apg;
  const auto conditional = all.conditional(prompts);
  if (!all.guidance.velocity) return projected(prompts, conditional, apg, momentum);
  const double root = std::sqrt(all.place.alpha);
  return root * projected(prompts / root, all.place.velocity(conditional), apg, momentum);
}

/// ε at the scale of guidance, or at the scale that thresholding mimics.
torch::Tensor pushed(const Predictions& all, const torch::Tensor& scaled_prompts) {
  const auto& [guidance, eps, place] = all;
  auto guided = eps.front() + scaled_prompts;
  if (guidance.picture_scale.value_or(1.0) != 1.0) {
    guided = guided + *guidance.picture_scale * (eps[1] - eps[0]);
  }
  return guided;
}

/// The prediction that those of the passes come to, before they are rescaled.
torch::Tensor combined(const Predictions& all, const torch::Tensor& prompts) {
  const auto& added = all.guidance.added;
  const auto guided = pushed(all, scaled(all.guidance, prompts));
  if (!added.dynamic_threshold) return guided;
  const auto mimicked = pushed(all, added.dynamic_threshold->mimic_scale * prompts);
  return all.place.noise(thresholded(all.place.clean(guided), all.place.clean(mimicked),
                                     added.dynamic_threshold->percentile));
}

/// Sums of weights that people write with a few digits: 0.7 + 0.2 + 0.1 is 1.
constexpr double kRounding = 1e-9;

/// ε = (1 − s Σ w_i) ε_uncond + s Σ w_i ε_i: whether ε_uncond counts in some row.
bool needs_unconditional(const Guidance& guidance) {
  const auto& parts = guidance.part_weights;
  const auto& scales = guidance.row_scales;
  // What pixels' weights add up to is not looked at.
  if (!guidance.part_maps.empty() || !guidance.edits.empty()) return true;
  const std::size_t rows = parts.empty() ? scales.size() : parts.front().size();
  for (std::size_t row = 0; row < std::max<std::size_t>(rows, 1); ++row) {
    double sum = parts.empty() ? 1 : 0;
    for (const auto& part : parts) sum += part[row];
    const double scale = scales.empty() ? guidance.guidance_scale : scales[row];
    if (std::abs(scale * sum - 1) > kRounding) return true;
  }
  return false;
}

}  // namespace

torch::Tensor eps_from_velocity(const torch::Tensor& v, const torch::Tensor& x, double alpha) {
  // The least of schedules that do not end in pure noise is 0.0047.
  constexpr double kLeastInFloat = 1e-4;
  const auto exact = alpha < kLeastInFloat ? x.to(at::kDouble) : x;
  return std::sqrt(alpha) * v + std::sqrt(1 - alpha) * exact;
}

std::vector<GuidancePass> Guidance::passes() const {
  using enum GuidancePass;
  std::vector<GuidancePass> passes;
  if (picture_scale.value_or(1.0) != 1.0) passes = {kBlind, kUnconditional};
  // Outside of an interval parts may need it that do without it inside.
  const bool somewhere = needs_unconditional(*this) ||
                         (guidance_interval != StepShare{} && needs_unconditional(unguided()));
  if (passes.empty() && somewhere) passes = {kUnconditional};
  passes.insert(passes.end(), part_weights.empty() ? 1 : part_weights.size(), kConditional);
  if (added.perturbs()) passes.insert(passes.begin(), kPerturbed);
  passes.insert(passes.begin(), edits.size(), kConcept);
  return passes;
}

Guidance Guidance::without_edits() const {
  auto plain = *this;
  plain.edits.clear();
  return plain;
}

Guidance Guidance::unguided() const {
  auto plain = *this;
  plain.guidance_scale = 1;
  plain.row_scales.clear();
  if (plain.picture_scale) plain.picture_scale = 1;
  plain.proximal.reset();
  plain.added = {};
  plain.edits.clear();
  return plain;
}

GuidedDenoiser::GuidedDenoiser(NoiseModel model, const Guidance& guidance, int64_t num_steps,
                               SelfAttentionModel self_attention, ConceptAttention concepts)
    : model_(std::move(model)),
      guided_(guidance),
      unedited_(guidance.without_edits()),
      unguided_(guidance.unguided()),
      num_steps_(num_steps),
      self_attention_(std::move(self_attention)),
      concepts_(std::move(concepts)) {
  check_added_guidance(guided_, self_attention_);
  check_concepts(guided_, concepts_);
  const auto& [begin, end] = guidance.guidance_interval;
  if (begin >= 0 && begin <= end && end <= 1) return;  // written so that NaN fails
  throw UsageError(fmt::format(
      "guidance_interval {}:{}: expected fractions of the steps, 0 <= begin <= end <= 1", begin,
      end));
}

bool GuidedDenoiser::guides(int64_t step) const {
  const auto& interval = guided_.guidance_interval;
  return interval == StepShare{} || interval.contains(step, num_steps_);
}

const Guidance& GuidedDenoiser::guidance_at(int64_t step) const {
  if (!guides(step)) return unguided_;
  return concepts_act(guided_, step, num_steps_) ? guided_ : unedited_;
}

torch::Tensor GuidedDenoiser::eps(const torch::Tensor& x, double t, int64_t step) {
  const auto& guidance = guidance_at(step);
  const auto& added = guidance.added;
  const auto passes = guidance.passes().size();
  if (passes == 1 && added.sag_scale == 0) return model_(x, t, step);
  auto eps = model_(at::cat(std::vector(passes, x)), t, step).chunk(static_cast<int64_t>(passes));
  const auto behind_concepts = eps.begin() + static_cast<std::ptrdiff_t>(guidance.edits.size());
  const std::vector<torch::Tensor> of_concepts(eps.begin(), behind_concepts);
  eps.erase(eps.begin(), behind_concepts);
  torch::Tensor perturbed;
  if (added.perturbs()) {
    perturbed = eps.front();
    eps.erase(eps.begin());
  }
  const PredictionPlace place{x, guidance.alpha ? guidance.alpha(t) : 1};
  const Predictions all{guidance, std::move(eps), place};
  const auto& parts = guidance.part_weights;
  if (all.eps.size() == parts.size()) return parts_alone(guidance, all.eps);
  auto guided = all.eps.front();
  torch::Tensor conditional = all.eps.back();
  if (all.eps.size() > 1) {
    auto prompts = towards_prompts(guidance, all.eps);
    conditional = all.conditional(prompts);
    if (guidance.proximal) {
      const auto kept = kept_differences(prompts, *guidance.proximal);
      if (guidance.watch) tell_dropped(*guidance.watch, prompts, kept, step, num_steps_);
      prompts = kept;
    }
    if (added.apg) prompts = projected_prompts(all, prompts, momentum_);
    guided = combined(all, prompts);
  }
  if (perturbed.defined()) {
    guided = guided + perturbation_scale(added, t) * (conditional - perturbed);
  }
  if (added.sag_scale != 0) {
    guided = guided + added.sag_scale * self_attention_difference(self_attention_, guidance,
                                                                  all.eps.front(), place, t, step);
  }
  if (!of_concepts.empty()) {
    const auto& unconditional =
        all.eps[all.eps.size() - 1 - std::max<std::size_t>(parts.size(), 1)];
    guided = guided + concept_difference(guidance, of_concepts, unconditional, concepts_,
                                         {t, step, num_steps_});
  }
  const double phi = guidance.guidance_rescale;
  if (phi == 0 || (all.eps.size() == 1 && !perturbed.defined())) return guided;
  return all.as_predicted(
      guided, conditional,
      [phi](const torch::Tensor& a, const torch::Tensor& b) { return rescaled(a, b, phi); });
}

}  // namespace sd
