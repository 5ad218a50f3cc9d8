#include "diffusion/concept_guidance.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/reflection_pad2d.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr double kMostConceptScale = 1000;
/// Above it the published code leaves the mask of the difference out, which is noise there.
constexpr double kDifferenceMaskFrom = 800;

/// The published code's blur: exp(−(d/2σ)²) at σ 0.5, which is a Gaussian of deviation 0.71.
torch::Tensor blurred(const torch::Tensor& maps) {
  if (maps.size(1) < 2 || maps.size(2) < 2) return maps;
  const double near = std::exp(-1.0), far = near * near, sum = 1 + 4 * near + 4 * far;
  const auto kernel =
      at::tensor({far, near, far, near, 1.0, near, far, near, far}, maps.options()).div(sum);
  const auto padded = at::reflection_pad2d(maps.unsqueeze(1), {1, 1, 1, 1});
  return at::conv2d(padded, kernel.view({1, 1, 3, 3})).squeeze(1);
}

/// Where values [B,h,w] are at their quantile or above: of each row alone.
torch::Tensor from_quantile(const torch::Tensor& values, double quantile) {
  const auto least = at::quantile(values.flatten(1), quantile, 1);
  return values.ge(least.view({-1, 1, 1})).to(values.scalar_type());
}

/// Tells what a concept adds to the rows that count, `counts` and `mask` [B,1,h,w].
void tell(GuidanceWatch& watch, std::size_t edit, const ConceptPlace& place,
          const torch::Tensor& counts, const torch::Tensor& mask, const torch::Tensor& added,
          const torch::Tensor& unconditional) {
  const auto rows = counts.ne(0).to(mask.scalar_type());
  const auto pixels = rows.sum().item<double>() * static_cast<double>(mask[0].numel());
  const auto length = (rows * unconditional).norm().item<double>();
  if (pixels == 0 || length == 0) return;
  watch.concept_added(edit, place.step, place.num_steps,
                      (rows * mask).sum().item<double>() / pixels,
                      added.norm().item<double>() / length);
}

}  // namespace

void check_concepts(const Guidance& guidance, const ConceptAttention& attention) {
  for (const auto& edit : guidance.edits) {
    if (!(std::abs(edit.scale) <= kMostConceptScale)) {
      throw UsageError(fmt::format("concept '{}': scale {}; expected -{} to {}", edit.concept_text,
                                   edit.scale, kMostConceptScale, kMostConceptScale));
    }
    if (!(edit.threshold >= 0 && edit.threshold <= 1)) {
      throw UsageError(fmt::format("concept '{}': threshold {}; expected 0 to 1", edit.concept_text,
                                   edit.threshold));
    }
    const auto& [begin, end] = edit.steps;
    if (!(begin >= 0 && begin <= end && end <= 1)) {
      throw UsageError(fmt::format("concept '{}': steps {}:{}; expected 0 <= begin <= end <= 1",
                                   edit.concept_text, begin, end));
    }
  }
  if (!guidance.edits.empty() && !attention) {
    throw UsageError("concepts need a model whose attention can be looked at");
  }
}

bool concepts_act(const Guidance& guidance, int64_t step, int64_t num_steps) {
  return std::ranges::any_of(guidance.edits, [&](const ConceptEdit& edit) {
    return edit.steps == StepShare{} || edit.steps.contains(step, num_steps);
  });
}

torch::Tensor attention_mask(const torch::Tensor& attention, double threshold,
                             at::IntArrayRef size) {
  const auto mask = from_quantile(blurred(attention), threshold).unsqueeze(1);
  return at::upsample_nearest2d(mask, size);
}

torch::Tensor concept_difference(const Guidance& guidance, const std::vector<torch::Tensor>& eps,
                                 const torch::Tensor& unconditional,
                                 const ConceptAttention& attention, const ConceptPlace& place) {
  auto sum = at::zeros_like(unconditional);
  const auto counts = at::tensor(guidance.edited_rows, sum.options()).view({-1, 1, 1, 1});
  for (std::size_t e = 0; e < eps.size(); ++e) {
    const auto& edit = guidance.edits[e];
    const bool acts = edit.steps == StepShare{} || edit.steps.contains(place.step, place.num_steps);
    if (!acts) continue;
    const auto difference = edit.scale * (eps[e] - unconditional);
    auto mask = attention_mask(attention(e), edit.threshold, {sum.size(2), sum.size(3)});
    if (place.t <= kDifferenceMaskFrom) {
      mask = mask * from_quantile(difference.abs().sum(1), edit.threshold).unsqueeze(1);
    }
    const auto added = counts * mask * difference;
    if (guidance.watch && guidance.watch->asks_of_concept(e))
      tell(*guidance.watch, e, place, counts, mask, added, unconditional);
    sum.add_(added);
  }
  return sum;
}

}  // namespace sd
