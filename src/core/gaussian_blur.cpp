#include "core/gaussian_blur.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/reflection_pad2d.h>

#include <algorithm>

namespace sd {
namespace {

/// [taps], of sum 1. As many as a mirror at the edges of a side can fill.
torch::Tensor kernel(const torch::Tensor& maps, int64_t taps, int64_t side, double sigma) {
  const int64_t count = std::min(taps, side - (side % 2 - 1));
  const int64_t half = count / 2;
  const auto offsets = at::arange(-half, half + 1, maps.options());
  const auto weights = at::exp(-0.5 * (offsets / sigma).square());
  return weights / weights.sum();
}

}  // namespace

torch::Tensor gaussian_blur(const torch::Tensor& maps, int64_t taps, double sigma) {
  const int64_t channels = maps.size(1);
  const auto down = kernel(maps, taps, maps.size(2), sigma);
  const auto across = kernel(maps, taps, maps.size(3), sigma);
  const int64_t rows = down.size(0) / 2, columns = across.size(0) / 2;
  const auto padded = at::reflection_pad2d(maps, {columns, columns, rows, rows});
  // Each channel by itself.
  const auto convolved = [channels](const torch::Tensor& x, const torch::Tensor& weights) {
    return at::conv2d(x, weights.expand({channels, 1, -1, -1}), {}, at::IntArrayRef{1, 1},
                      at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1}, channels);
  };
  return convolved(convolved(padded, down.view({1, 1, -1, 1})), across.view({1, 1, 1, -1}));
}

}  // namespace sd
