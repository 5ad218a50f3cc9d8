#include "nn/layer_additions.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "sd/core/error.h"

namespace sd {

thread_local const AddingToLayers* AddingToLayers::active_ = nullptr;

AddingToLayers::AddingToLayers(const LayerAdditions& additions,
                               std::vector<std::vector<double>> weights)
    : additions_(additions), weights_(std::move(weights)), before_(active_) {
  active_ = this;
}

AddingToLayers::~AddingToLayers() { active_ = before_; }

torch::Tensor AddingToLayers::factor_of(const LayerAddition& addition,
                                        const torch::Tensor& x) const {
  auto weights = weights_.at(addition.source);
  for (auto& weight : weights) weight *= addition.scale;
  if (std::ranges::all_of(weights, [](double weight) { return weight == 0; })) return {};
  const auto rows = static_cast<int64_t>(weights.size());
  if (rows != 1 && rows != x.size(0)) throw Error("additions to layers: the batch has other rows");
  std::vector<int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = rows;
  const auto factor = at::tensor(weights, at::TensorOptions().dtype(at::kFloat)).view(shape);
  return factor.to(x.device(), x.scalar_type());
}

torch::Tensor AddingToLayers::add_to_linear(const LayerImpl* layer, const torch::Tensor& x,
                                            torch::Tensor sums) {
  for (const auto& addition : active_->additions_.at(layer)) {
    const auto factor = active_->factor_of(addition, x);
    if (!factor.defined()) continue;
    if (addition.down.defined()) {
      // The factor meets the narrowest of the three.
      auto added = at::linear(addition.up.defined() ? x : x * factor, addition.down);
      if (addition.up.defined()) added = at::linear(added * factor, addition.up);
      sums = sums.add_(added);
    }
    if (addition.bias.defined()) sums = sums.add_(addition.bias * factor);
  }
  return sums;
}

torch::Tensor AddingToLayers::add_to_convolution(const LayerImpl* layer, const torch::Tensor& x,
                                                 torch::Tensor sums, int64_t stride,
                                                 int64_t padding) {
  const auto wide = [&](const torch::Tensor& input, const torch::Tensor& weight) {
    return at::conv2d(input, weight, {}, {stride, stride}, {padding, padding});
  };
  for (const auto& addition : active_->additions_.at(layer)) {
    const auto factor = active_->factor_of(addition, x);
    if (!factor.defined()) continue;
    if (addition.down.defined()) {
      torch::Tensor added;
      if (addition.mid.defined()) {
        added = wide(at::conv2d(x, addition.down), addition.mid);
      } else {
        added = wide(x, addition.down);
      }
      added = added * factor;
      if (addition.up.defined()) added = at::conv2d(added, addition.up);
      sums = sums.add_(added);
    }
    if (addition.bias.defined()) sums = sums.add_(addition.bias.view({1, -1, 1, 1}) * factor);
  }
  return sums;
}

}  // namespace sd
