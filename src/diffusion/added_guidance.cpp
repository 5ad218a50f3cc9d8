#include "diffusion/added_guidance.h"

#include <ATen/ops/clamp.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr double kMostScale = 100;
constexpr double kFirstTimestep = 1000;  // as diffusers counts down from

void check_range(const char* option, double value, double least, double most) {
  if (value >= least && value <= most) return;  // written so that NaN fails
  throw UsageError(fmt::format("{} is {}; expected {} to {}", option, value, least, most));
}

}  // namespace

torch::Tensor PredictionPlace::clean(const torch::Tensor& eps) const {
  return (x - std::sqrt(1 - alpha) * eps) / std::sqrt(alpha);
}

torch::Tensor PredictionPlace::noise(const torch::Tensor& clean) const {
  return (x - std::sqrt(alpha) * clean) / std::sqrt(1 - alpha);
}

torch::Tensor PredictionPlace::velocity(const torch::Tensor& eps) const {
  return (eps - std::sqrt(1 - alpha) * x) / std::sqrt(alpha);
}

torch::Tensor projected(const torch::Tensor& difference, const torch::Tensor& conditional,
                        const ProjectedGuidance& settings, torch::Tensor& momentum) {
  const auto sum_of = [](const torch::Tensor& x) { return x.sum(at::IntArrayRef{1, 2, 3}, true); };
  auto push = difference;
  if (settings.momentum != 0) {
    if (momentum.defined()) push = push + settings.momentum * momentum;
    momentum = push;
  }
  if (settings.norm > 0) {
    const auto length = sum_of(push.square()).sqrt();
    push = push * at::where(length > settings.norm, settings.norm / length, 1.0);
  }
  // In float64, as published: the parallel part is a small difference of large sums.
  const auto exact = push.to(at::kDouble), towards = conditional.to(at::kDouble);
  constexpr double kLeastNorm = 1e-12;
  const auto unit = towards / sum_of(towards.square()).sqrt().clamp_min(kLeastNorm);
  const auto parallel = sum_of(exact * unit) * unit;
  return (exact - (1 - settings.eta) * parallel).to(difference.scalar_type());
}

torch::Tensor thresholded(const torch::Tensor& guided, const torch::Tensor& mimicked,
                          double percentile) {
  const auto flat = guided.flatten(2), mimic_flat = mimicked.flatten(2);
  const auto mean = flat.mean(2, true);
  const auto centred = flat - mean;
  const auto mimic_reach = (mimic_flat - mimic_flat.mean(2, true)).abs().amax(2, true);
  const auto own_reach = at::quantile(centred.abs(), percentile, 2, true);
  const auto reach = at::maximum(mimic_reach, own_reach);
  // A channel without contrast has nothing to keep in bounds.
  const auto shrunk =
      at::where(reach > 0, at::clamp(centred, -reach, reach) / reach * mimic_reach, centred);
  return (shrunk + mean).view_as(guided);
}

double perturbation_scale(const AddedGuidance& added, double t) {
  if (added.seg_scale != 0) return added.seg_scale;
  if (added.pag_adaptive == 0) return added.pag_scale;
  return std::max(added.pag_scale - added.pag_adaptive * (kFirstTimestep - t), 0.0);
}

void check_added_guidance(const Guidance& guidance, const SelfAttentionModel& self_attention) {
  const auto& added = guidance.added;
  check_range("pag", added.pag_scale, 0, kMostScale);
  check_range("pag_adaptive", added.pag_adaptive, 0, kMostScale);
  check_range("seg", added.seg_scale, 0, kMostScale);
  check_range("seg_sigma", added.seg_sigma, 0.01, std::numeric_limits<double>::infinity());
  check_range("sag", added.sag_scale, 0, kMostScale);
  check_range("sag_sigma", added.sag_sigma, 0.01, kMostScale);
  check_range("freeu_version", static_cast<double>(added.freeu_version), 1, 2);
  if (const auto& factors = added.freeu) {
    for (const double factor : {factors->b1, factors->b2, factors->s1, factors->s2}) {
      check_range("a factor of freeu", factor, 0, kMostScale);
    }
  }
  check_range("nag", added.nag_scale, 1, kMostScale);
  check_range("nag_tau", added.nag_tau, 1, kMostScale);
  check_range("nag_alpha", added.nag_alpha, 0, 1);
  if (const auto& threshold = added.dynamic_threshold) {
    check_range("dynamic_threshold's scale to mimic", threshold->mimic_scale, 0, kMostScale);
    check_range("dynamic_threshold's percentile", threshold->percentile, 0, 1);
  }
  if (const auto& apg = added.apg) {
    check_range("apg's eta", apg->eta, 0, 1);
    check_range("apg's norm", apg->norm, 0, 1e6);
    check_range("apg's momentum", apg->momentum, -1, 1);
  }
  if (added.pag_scale != 0 && added.seg_scale != 0) {
    throw UsageError("pag and seg perturb the same attention; leave one of the two out");
  }
  const bool composed = !guidance.part_weights.empty();
  if (composed && (added.perturbs() || added.sag_scale != 0)) {
    throw UsageError(
        fmt::format("{}: cannot guide prompts put together with AND; leave one of the two out",
                    added.perturbs() ? (added.pag_scale != 0 ? "pag" : "seg") : "sag"));
  }
  if (added.sag_scale != 0 && (!self_attention.again || !self_attention.attention)) {
    throw UsageError("sag needs a model that shows its self-attention");
  }
  const bool by_place = added.sag_scale != 0 || added.dynamic_threshold || guidance.velocity;
  if (by_place && !guidance.alpha) throw UsageError("this guidance needs the noise schedule");
}

}  // namespace sd
