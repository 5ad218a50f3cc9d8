// What guidance does to attention.
#include <ATen/ops/minimum.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/gaussian_blur.h"
#include "sd/nn/attention.h"
#include "sd/nn/forward_edits.h"

namespace sd {
namespace {

torch::Tensor rows_of(const torch::Tensor& x, const RowRange& rows) {
  return x.narrow(0, rows.begin, rows.count);
}

/// What a layer makes of some rows of x; of layers that are divided, out of all of them.
torch::Tensor projected(Linear& layer, const torch::Tensor& x, const RowRange& rows, bool divided) {
  return divided ? rows_of(layer->forward(x), rows) : layer->forward(rows_of(x, rows));
}

/// [R,Q,D] over a grid of pixels.
torch::Tensor blurred(const torch::Tensor& queries, int64_t height, int64_t width, double sigma) {
  if (std::isinf(sigma)) return queries.mean(1, true).expand_as(queries).contiguous();
  // As published: six deviations, and odd.
  const double sides = std::min(std::ceil(6 * sigma), 2.0 * static_cast<double>(height + width));
  const auto taps = static_cast<int64_t>(sides);
  const auto maps = queries.to(at::kFloat)
                        .transpose(1, 2)
                        .reshape({queries.size(0), queries.size(2), height, width});
  return gaussian_blur(maps, taps + 1 - taps % 2, sigma)
      .flatten(2)
      .transpose(1, 2)
      .contiguous()
      .to(queries.scalar_type());
}

/// What is pushed from z⁻ beyond z⁺ grows by at most τ in the L1 norm of a query's channels, and
/// counts α.
torch::Tensor pushed(const torch::Tensor& positive, const torch::Tensor& negative,
                     const NegativeAttention& by) {
  const auto z = positive.to(at::kFloat);
  const auto beyond = by.scale * z - (by.scale - 1) * negative.to(at::kFloat);
  const auto norm = [](const torch::Tensor& x) { return x.abs().sum(-1, true); };
  constexpr double kLeastNorm = 1e-12;
  const auto ratio = norm(beyond) / norm(z).clamp_min(kLeastNorm);
  const auto kept = beyond * (ratio.clamp_max(by.tau) / ratio.clamp_min(kLeastNorm));
  return (by.alpha * kept + (1 - by.alpha) * z).to(positive.scalar_type());
}

}  // namespace

bool AttentionPerturbation::is_at(const AttentionSite& site) const {
  return std::any_of(sites.begin(), sites.end(), [&](const SiteChoice& choice) {
    return choice.part == site.part && (!choice.block || *choice.block == site.block) &&
           (!choice.downsampling || *choice.downsampling == site.downsampling);
  });
}

bool AttentionImpl::is_edited(const ForwardContext& run) const {
  const auto* edits = run.edits;
  if (edits == nullptr) return false;
  if (site_.kind == AttentionKind::kCross) {
    return edits->negative.has_value() || edits->regions != nullptr ||
           (edits->concepts != nullptr && edits->concepts->is_at(site_));
  }
  return (edits->perturbation && edits->perturbation->is_at(site_)) ||
         (edits->sums != nullptr && site_.part == UNetPart::kMiddle);
}

torch::Tensor AttentionImpl::perturbed(const torch::Tensor& x, const ForwardEdits& edits,
                                       int64_t grid_height, int64_t grid_width) {
  const auto& by = *edits.perturbation;
  const auto of = [&](Linear& layer) { return projected(layer, x, by.rows, edits.divided); };
  const auto values = of(to_v);
  if (by.kind == AttentionPerturbation::Kind::kIdentity) return values;
  const auto queries = blurred(of(to_q), grid_height, grid_width, by.sigma);
  return attention_of_projections(queries, of(to_k), values, heads_);
}

void AttentionImpl::push_off(torch::Tensor& mixed, const torch::Tensor& x,
                             const ForwardEdits& edits) {
  const auto& by = *edits.negative;
  const int64_t count = by.context.size(0);
  const auto context = edits.divided ? by.context.repeat({x.size(0) / count, 1, 1}) : by.context;
  const auto keys = to_k->forward(context), values = to_v->forward(context);
  for (const int64_t begin : by.begins) {
    const RowRange rows{begin, count}, own{edits.divided ? begin : 0, count};
    auto positive = rows_of(mixed, rows);
    const auto queries = projected(to_q, x, rows, edits.divided);
    const auto negative =
        attention_of_projections(queries, rows_of(keys, own), rows_of(values, own), heads_);
    positive.copy_(pushed(positive, negative, by));
  }
}

void AttentionImpl::add_regions(torch::Tensor& mixed, const torch::Tensor& x,
                                const ForwardEdits& edits) {
  const auto& regions = *edits.regions;
  const auto& weights = regions.weights.at(site_.downsampling);
  auto own = rows_of(mixed, regions.rows);
  const auto queries = projected(to_q, x, regions.rows, edits.divided);
  auto sum = weights[0] * own.to(at::kFloat);
  for (std::size_t i = 0; i < regions.contexts.size(); ++i) {
    const auto& context = regions.contexts[i];
    const RowRange rows{edits.divided ? regions.rows.begin : 0, regions.rows.count};
    const auto all = edits.divided ? context.repeat({x.size(0) / rows.count, 1, 1}) : context;
    const auto keys = rows_of(to_k->forward(all), rows), values = rows_of(to_v->forward(all), rows);
    sum.add_(weights[static_cast<int64_t>(i) + 1] *
             attention_of_projections(queries, keys, values, heads_).to(at::kFloat));
  }
  own.copy_(sum);
}

void AttentionImpl::watch_concepts(const torch::Tensor& x, const torch::Tensor& context,
                                   const ForwardEdits& edits, int64_t grid_height,
                                   int64_t grid_width) {
  for (auto& each : edits.concepts->concepts) {
    const auto heads = [&](Linear& layer, const torch::Tensor& of) {
      return split_heads(projected(layer, of, each.rows, edits.divided), heads_);
    };
    const auto probs = attention_probabilities(heads(to_q, x), heads(to_k, context)).mean(1);
    auto paid = at::zeros({probs.size(0), probs.size(1)}, probs.options());
    for (const int64_t token : each.tokens) paid.add_(probs.select(-1, token));
    paid = paid.view({each.rows.count, grid_height, grid_width});
    each.sums = each.sums.defined() ? each.sums + paid : paid;
  }
}

void AttentionImpl::edit_cross(torch::Tensor& mixed, const torch::Tensor& x,
                               const torch::Tensor& context, const ForwardEdits& edits,
                               int64_t grid_height, int64_t grid_width) {
  if (edits.concepts != nullptr && edits.concepts->is_at(site_)) {
    watch_concepts(x, context, edits, grid_height, grid_width);
  }
  if (edits.regions != nullptr) add_regions(mixed, x, edits);
  if (edits.negative) push_off(mixed, x, edits);
}

void AttentionImpl::edit(torch::Tensor& mixed, const torch::Tensor& x, const torch::Tensor& context,
                         const ForwardEdits& edits, int64_t grid_height, int64_t grid_width) {
  if (site_.kind == AttentionKind::kCross) {
    return edit_cross(mixed, x, context, edits, grid_height, grid_width);
  }
  if (edits.sums != nullptr && site_.part == UNetPart::kMiddle && site_.depth == 0) {
    const auto heads = [&](Linear& layer) {
      return split_heads(projected(layer, x, edits.sums->rows, edits.divided), heads_);
    };
    const auto probs = attention_probabilities(heads(to_q), heads(to_k));
    edits.sums->sums = probs.mean(1).sum(1).view({edits.sums->rows.count, grid_height, grid_width});
  }
  if (edits.perturbation && edits.perturbation->is_at(site_)) {
    rows_of(mixed, edits.perturbation->rows).copy_(perturbed(x, edits, grid_height, grid_width));
  }
}

}  // namespace sd
