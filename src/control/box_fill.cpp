#include "control/box_fill.h"

#include <ATen/ops/cummax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <tuple>

#include "sd/core/error.h"

namespace sd {
namespace {

/// From the first true of the last dimension to the last one: bool [...,n].
torch::Tensor between(const torch::Tensor& set) {
  const auto so_far = [](const torch::Tensor& x) { return std::get<0>(at::cummax(x, -1)); };
  const auto value = set.to(at::kInt);
  return so_far(value).bitwise_and(so_far(value.flip(-1)).flip(-1)).gt(0);
}

}  // namespace

torch::Tensor fill_box(const torch::Tensor& probs, const std::vector<int64_t>& tokens,
                       int64_t height, int64_t width, double threshold) {
  auto paid = at::zeros({probs.size(0), probs.size(2)}, probs.options().dtype(at::kFloat));
  for (const int64_t token : tokens) {
    if (token < 0 || token >= probs.size(-1)) {
      throw UsageError(fmt::format("prompt-to-prompt: a box of token {}, but attention has {}",
                                   token, probs.size(-1)));
    }
    paid.add_(probs.select(-1, token).mean({1}, /*keepdim=*/false, at::kFloat));
  }
  const auto looks = paid.gt(paid.amax({1}, /*keepdim=*/true) * threshold);  // [N,h·w]
  const auto grid = looks.unflatten(1, {height, width});
  const auto box = between(grid.any(1)).unsqueeze(1).bitwise_and(between(grid.any(2)).unsqueeze(2));
  const auto filled = box.flatten(1).bitwise_and(looks.bitwise_not());
  const auto count = looks.sum({1}).clamp_min(1).view({-1, 1, 1, 1});
  // Summed in the dtype of the probabilities and divided in float32: 1/count may not be exact.
  const auto sum = at::matmul(looks.to(probs.scalar_type()).view({-1, 1, 1, looks.size(1)}), probs);
  const auto mean = (sum.to(at::kFloat) / count).to(probs.scalar_type());  // [N,heads,1,K]
  return at::where(filled.view({-1, 1, filled.size(1), 1}), mean, probs);
}

}  // namespace sd
