#include "trainer/place_supervision.h"

#include <ATen/ops/linspace.h>
#include <ATen/ops/stack.h>

#include "sd/text/clip_tokenizer.h"
#include "trainer/latent_cache.h"

namespace sd::train {
namespace {

constexpr double kHalfRange = 2;

/// Centres of mass [N,objects,2], (x, y) from -kHalfRange to kHalfRange.
torch::Tensor centres(const torch::Tensor& masks) {
  const auto weights = masks.to(at::kFloat);
  const auto total = weights.sum({2, 3}).clamp_min(1);
  const auto along = [&](int64_t axis, int64_t other) {
    const int64_t size = weights.size(axis);
    // Centres of the pixels.
    const double edge = kHalfRange * (1 - 1.0 / static_cast<double>(size));
    return (weights.sum(other) * at::linspace(-edge, edge, size, weights.options())).sum(-1) /
           total;
  };
  return at::stack({along(3, 2), along(2, 3)}, -1);
}

}  // namespace

torch::Tensor place_loss(const torch::Tensor& context, const torch::Tensor& groups,
                         const torch::Tensor& ids, const torch::Tensor& masks) {
  const auto second = groups.eq(static_cast<int64_t>(TokenGroup::kObject1));  // [N,77]
  const auto two = second.any(1, /*keepdim=*/true);
  const auto end = ids.eq(ClipTokenizer::kEos).logical_and(two);
  const auto places = centres(masks);
  const auto own = places.select(1, 1).unsqueeze(1);  // [N,1,2]
  const auto both = places.flatten(1).unsqueeze(1);   // [N,1,4]
  const auto said = context.narrow(2, 0, 4).to(at::kFloat);
  const auto mean = [](const torch::Tensor& error, const torch::Tensor& tokens) {
    const auto counted = tokens.to(at::kFloat);
    return (error * counted).sum() / counted.sum().clamp_min(1);
  };
  return mean((said.narrow(2, 0, 2) - own).square().mean(2), second) +
         mean((said - both).square().mean(2), end);
}

}  // namespace sd::train
