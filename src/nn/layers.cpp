#include "sd/nn/layers.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "nn/group_norm.h"
#include "nn/pack.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// Weights kept in a narrower dtype than the arithmetic (bf16 on a CPU without bf16 units) widen
/// here, a layer at a time.
torch::Tensor as_dtype_of(const torch::Tensor& weight, const torch::Tensor& x) {
  if (!weight.defined() || weight.scalar_type() == x.scalar_type()) return weight;
  return weight.to(x.scalar_type());
}

}  // namespace

void LayerImpl::declare(const std::string& name, torch::Tensor& member, at::IntArrayRef shape) {
  member = at::empty(shape, at::TensorOptions().device(at::kMeta).dtype(at::kFloat));
  register_parameter(name, member, /*requires_grad=*/false);
  slots_.push_back({name, &member});
}

void LayerImpl::bind(const std::string& name, torch::Tensor value) {
  for (auto& slot : slots_) {
    if (slot.name != name) continue;
    if (value.sizes() != slot.tensor->sizes()) {
      throw Error(fmt::format("parameter '{}' has shape [{}], expected [{}]", name,
                              fmt::join(value.sizes(), ","), fmt::join(slot.tensor->sizes(), ",")));
    }
    *slot.tensor = value;
    parameters_[name] = std::move(value);
    return;
  }
  throw Error(fmt::format("layer has no parameter '{}'", name));
}

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features, bool with_bias) {
  declare("weight", weight, {out_features, in_features});
  if (with_bias) declare("bias", bias, {out_features});
}

torch::Tensor LinearImpl::forward(const torch::Tensor& x) const {
  return at::linear(x, as_dtype_of(weight, x), as_dtype_of(bias, x));
}

Conv2dImpl::Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride,
                       int64_t padding)
    : Conv2dImpl(in_channels, out_channels, kernel,
                 Conv2dOptions{.stride = stride, .padding = padding}) {}

Conv2dImpl::Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel,
                       const Conv2dOptions& options)
    : stride_(options.stride),
      padding_(options.padding),
      pointwise_(kernel == 1 && options.stride == 1 && options.padding == 0) {
  declare("weight", weight, {out_channels, in_channels, kernel, kernel});
  if (options.with_bias) declare("bias", bias, {out_channels});
}

torch::Tensor Conv2dImpl::kernel_for(const torch::Tensor& x) {
  const std::lock_guard lock(packing_);
  if (!pointwise_ && at::IntArrayRef(packed_size_) != x.sizes() &&
      can_pack_convolution(weight, x)) {
    const auto plain = packed_size_.empty() ? weight : weight.to_dense();
    weight = parameters_["weight"] = pack_convolution(plain, x.sizes(), stride_, padding_);
    packed_size_ = x.sizes().vec();
  }
  return weight;
}

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x) {
  const auto held = kernel_for(x);
  if (held.is_mkldnn()) return packed_convolution(x, held, bias, stride_, padding_);
  const auto kernel = as_dtype_of(held, x), shift = as_dtype_of(bias, x);
  if (pointwise_ && kernel.is_cpu()) {
    // A 1x1 convolution is a linear layer over pixels; channels-last maps, which packed
    // convolutions give, need no copy.
    return at::linear(x.permute({0, 2, 3, 1}), kernel.flatten(1), shift).permute({0, 3, 1, 2});
  }
  return at::conv2d(x, kernel, shift, {stride_, stride_}, {padding_, padding_});
}

GroupNormImpl::GroupNormImpl(int64_t groups, int64_t channels, double eps)
    : groups_(groups), eps_(eps) {
  declare("weight", weight, {channels});
  declare("bias", bias, {channels});
}

torch::Tensor GroupNormImpl::forward(const torch::Tensor& x) const {
  return group_norm(x, {groups_, weight, bias, eps_});
}

torch::Tensor GroupNormImpl::forward_silu(const torch::Tensor& x) const {
  return group_norm(x, {groups_, weight, bias, eps_, /*silu=*/true});
}

torch::Tensor GroupNormImpl::forward_silu(const torch::Tensor& x,
                                          const torch::Tensor& offset) const {
  return group_norm(x, {groups_, weight, bias, eps_, /*silu=*/true, offset});
}

LayerNormImpl::LayerNormImpl(int64_t width, double eps) : width_(width), eps_(eps) {
  declare("weight", weight, {width});
  declare("bias", bias, {width});
}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) const {
  return at::layer_norm(x, {width_}, as_dtype_of(weight, x), as_dtype_of(bias, x), eps_);
}

EmbeddingImpl::EmbeddingImpl(int64_t rows, int64_t width) {
  declare("weight", weight, {rows, width});
}

torch::Tensor EmbeddingImpl::forward(const torch::Tensor& ids) const {
  return at::embedding(weight, ids);
}

std::vector<ParameterSlot> parameter_slots(torch::nn::Module& root) {
  std::vector<ParameterSlot> slots;
  for (const auto& item : root.named_modules()) {
    auto* layer = dynamic_cast<LayerImpl*>(item.value().get());
    if (layer == nullptr) continue;
    for (const auto& slot : layer->slots()) {
      slots.push_back({item.key().empty() ? slot.name : item.key() + "." + slot.name,
                       slot.tensor->sizes().vec(), [layer, name = slot.name](torch::Tensor value) {
                         layer->bind(name, std::move(value));
                       }});
    }
  }
  return slots;
}

}  // namespace sd
