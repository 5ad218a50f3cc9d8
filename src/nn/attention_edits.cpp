// What guidance does to attention.
#include <ATen/ops/minimum.h>
#include <ATen/ops/ones.h>

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
  if (site_.kind == AttentionKind::kCross) return edits->negative.has_value();
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

void AttentionImpl::edit(torch::Tensor& mixed, const torch::Tensor& x, const ForwardEdits& edits,
                         int64_t grid_height, int64_t grid_width) {
  if (site_.kind == AttentionKind::kCross) {
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
    return;
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
