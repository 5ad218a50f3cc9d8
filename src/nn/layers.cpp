#include "sd/nn/layers.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "nn/constants.h"
#include "nn/conv_rows.h"
#include "nn/gpu.h"
#include "nn/group_norm.h"
#include "nn/layer_additions.h"
#include "nn/layer_profile.h"
#include "nn/pack.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// Weights kept in a narrower dtype than the arithmetic (bf16 on a CPU without bf16 units) widen
/// here, a layer at a time.
torch::Tensor as_dtype_of(const torch::Tensor& weight, const torch::Tensor& x) {
  if (!weight.defined() || weight.scalar_type() == x.scalar_type()) return as_constant(weight);
  return weight.to(x.scalar_type());
}

using Activation = LayerFinish::Activation;

torch::Tensor finished(torch::Tensor sums, const LayerFinish& finish) {
  switch (finish.activation) {
    case Activation::kNone:
      break;
    case Activation::kGelu:
      sums = at::gelu(sums);
      break;
    case Activation::kQuickGelu:
      sums = sums * at::sigmoid(1.702 * sums);
      break;
    case Activation::kGated: {
      if (gpu::gates(sums)) {
        sums = gpu::gate(sums);
        break;
      }
      const auto halves = sums.chunk(2, -1);
      sums = halves[0] * at::gelu(halves[1]);
      break;
    }
  }
  if (!finish.residual.defined()) return sums;
  return gpu::takes_half(sums) ? gpu::add(sums, {}, finish.residual) : sums + finish.residual;
}

}  // namespace

void LayerImpl::declare(const std::string& name, torch::Tensor& member, at::IntArrayRef shape) {
  member = at::empty(shape, at::TensorOptions().device(at::kMeta).dtype(at::kFloat));
  register_parameter(name, member, /*requires_grad=*/false);
  slots_.push_back({name, &member});
}

LayerImpl::Slot* LayerImpl::find(const std::string& name) {
  for (auto& slot : slots_) {
    if (slot.name == name) return &slot;
  }
  return nullptr;
}

void LayerImpl::bind(const std::string& name, torch::Tensor value) {
  Slot* const slot = find(name);
  if (slot == nullptr) throw Error(fmt::format("layer has no parameter '{}'", name));
  if (value.sizes() != slot->tensor->sizes()) {
    throw Error(fmt::format("parameter '{}' has shape [{}], expected [{}]", name,
                            fmt::join(value.sizes(), ","), fmt::join(slot->tensor->sizes(), ",")));
  }
  const std::lock_guard lock(packing_);
  packed_ = nullptr;
  if (name == "weight") {
    held_.reset();
    read_ = nullptr;
  }
  *slot->tensor = value;
  parameters_[name] = std::move(value);
}

void LayerImpl::bind_as(torch::Tensor value, torch::Dtype held) {
  bind("weight", std::move(value));
  held_ = held;
}

void LayerImpl::bind_source(std::function<torch::Tensor()> read, torch::Dtype held) {
  const std::lock_guard lock(packing_);
  packed_ = nullptr;
  put_away_weight();
  held_ = held;
  read_ = std::move(read);
}

torch::Tensor LayerImpl::bound_weight() const {
  if (read_) return read_();
  return packed_ != nullptr ? packed_->plain_weight() : parameters_["weight"];
}

void LayerImpl::put_away_weight() {
  auto& weight = parameters_["weight"];
  weight = at::empty(weight.sizes(), weight.options().device(at::kMeta));
  *find("weight")->tensor = weight;
}

std::shared_ptr<const PackedLayer> LayerImpl::packed_for(const torch::Tensor& x, bool gated) {
  const std::lock_guard lock(packing_);
  const auto& bound = parameters_["weight"];
  if (!can_pack(bound, x)) return nullptr;
  const auto held = held_.value_or(bound.scalar_type());
  if (held == at::kHalf) return nullptr;  // what a GPU holds
  const PackedLayer::Kind kind{x.scalar_type(), held, gated, settings_.int8_weights};
  if (packed_ != nullptr && packed_->is(kind)) return packed_;
  const auto weight = bound_weight();
  if (weight.is_meta()) return nullptr;  // nobody has bound it
  const Slot* const bias = find("bias");
  auto packed = std::make_shared<PackedLayer>(
      weight, bias != nullptr ? *bias->tensor : torch::Tensor(), kind);
  if (read_) return packed;
  packed_ = packed;
  put_away_weight();
  return packed;
}

torch::Tensor LayerImpl::plain_weight() const {
  const std::lock_guard lock(packing_);
  const auto weight = bound_weight();
  return !held_ || weight.is_meta() ? weight : weight.to(*held_);
}

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features, bool with_bias) {
  declare("weight", weight, {out_features, in_features});
  if (with_bias) declare("bias", bias, {out_features});
}

torch::Tensor LinearImpl::forward(const torch::Tensor& x, const LayerFinish& finish) {
  const TimedLayer timed(*this, "linear", x, [&] { return product_flops(x.numel(), weight); });
  if (AddingToLayers::concerns(this)) {
    return finished(AddingToLayers::add_to_linear(this, x, product(x, {})), finish);
  }
  return product(x, finish);
}

torch::Tensor LinearImpl::product(const torch::Tensor& x, const LayerFinish& finish) {
  if (const auto packed = packed_for(x, finish.activation == Activation::kGated)) {
    return packed->linear(x, finish);
  }
  const auto plain = plain_weight();
  return finished(at::linear(x, as_dtype_of(plain, x), as_dtype_of(bias, x)), finish);
}

Conv2dImpl::Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride,
                       int64_t padding)
    : Conv2dImpl(in_channels, out_channels, kernel,
                 Conv2dOptions{.stride = stride, .padding = padding}) {}

Conv2dImpl::Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel,
                       const Conv2dOptions& options)
    : kernel_(kernel), options_(options) {
  if (options_.padding_before < 0) options_.padding_before = options_.padding;
  declare("weight", weight, {out_channels, in_channels, kernel, kernel});
  if (options.with_bias) declare("bias", bias, {out_channels});
}

torch::Tensor Conv2dImpl::packed_forward(const PackedLayer& packed, const torch::Tensor& x,
                                         const ConvExtras& extras) const {
  const bool pointwise = kernel_ == 1 && options_.stride == 1 && options_.padding == 0;
  if (pointwise && extras.norm == nullptr && !extras.upsampled && !extras.offset.defined()) {
    // A linear layer over pixels.
    const auto rows = [](const torch::Tensor& maps) {
      return maps.defined() ? maps.permute({0, 2, 3, 1}) : maps;
    };
    return packed.linear(rows(x), {.residual = rows(extras.residual)}).permute({0, 3, 1, 2});
  }
  const PackedLayer::Convolution how{kernel_, options_.stride, options_.padding_before,
                                     options_.padding, settings().exact_convolutions};
  GroupAffine affine;
  if (extras.norm != nullptr) affine = extras.norm->affine(x);
  torch::Tensor out;
  if (extras.in_residual && extras.residual.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    out = extras.residual;
  }
  return packed.convolve(x, how, affine, extras, {}, out);
}

bool Conv2dImpl::makes_rows(const torch::Tensor& x) const {
  return x.dim() == 4 && x.size(0) == 1 && can_pack(weight, x);
}

void Conv2dImpl::forward_rows(const ConvRows& rows) {
  const TimedLayer timed(*this, "conv2d", rows.out, [&] {
    return product_flops(rows.out.numel() / weight.size(0) * weight.size(1), weight);
  });
  const auto packed = packed_for(rows.x);
  if (packed == nullptr) throw Error("a convolution's rows: the weights cannot be packed");
  const int64_t scale = rows.upsampled ? 2 : 1;
  const int64_t behind = (rows.begin + rows.out.size(2) - 1) * options_.stride + kernel_;
  const PackedLayer::Cut cut{
      rows.begin * options_.stride - scale * rows.first,
      scale * (rows.first + rows.x.size(2)) + options_.padding + options_.padding_before - behind};
  packed->convolve(rows.x,
                   {kernel_, options_.stride, options_.padding_before, options_.padding,
                    settings().exact_convolutions},
                   rows.affine, {.upsampled = rows.upsampled, .residual = rows.residual}, cut,
                   rows.out);
}

torch::Tensor Conv2dImpl::forward_on_gpu(const torch::Tensor& x, const ConvExtras& extras) const {
  auto h = extras.norm != nullptr ? extras.norm->forward_silu(x) : x;
  h = h.contiguous(at::MemoryFormat::ChannelsLast);
  if (extras.upsampled) h = at::upsample_nearest2d(h, {2 * h.size(2), 2 * h.size(3)});
  const int64_t before = options_.padding_before, behind = options_.padding;
  const bool even = before == behind, adds = extras.offset.defined() || extras.residual.defined();
  if (!even) h = at::constant_pad_nd(h, {before, behind, before, behind}, 0);
  const auto held = as_dtype_of(weight, h), add = as_dtype_of(bias, h);
  const auto first_bias = adds ? torch::Tensor() : add;
  if (kernel_ == 1 && options_.stride == 1 && behind == 0 && before == 0) {
    // A linear layer over pixels.
    h = at::linear(h.permute({0, 2, 3, 1}), held.flatten(1), first_bias).permute({0, 3, 1, 2});
  } else {
    const int64_t padding = even ? behind : 0;
    h = at::conv2d(h, held, first_bias, {options_.stride, options_.stride}, {padding, padding});
  }
  return adds ? gpu::add(h, {add, as_dtype_of(extras.offset, h)}, extras.residual) : h;
}

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x, const ConvExtras& extras) {
  const TimedLayer timed(*this, "conv2d", x, [&] {
    const double places = extras.upsampled ? 4 : 1.0 / (options_.stride * options_.stride);
    return places * product_flops(x.numel(), weight);
  });
  if (AddingToLayers::concerns(this)) return forward_with_additions(x, extras);
  return convolved(x, extras);
}

torch::Tensor Conv2dImpl::forward_with_additions(const torch::Tensor& x, const ConvExtras& extras) {
  if (options_.padding_before != options_.padding)
    throw Error("additions to a convolution: its padding is uneven");
  // Both see what was normed and doubled.
  auto h = extras.norm != nullptr ? extras.norm->forward_silu(x) : x;
  if (extras.upsampled) h = at::upsample_nearest2d(h, {2 * h.size(2), 2 * h.size(3)});
  auto sums = convolved(h, {.offset = extras.offset, .residual = extras.residual});
  return AddingToLayers::add_to_convolution(this, h, std::move(sums), options_.stride,
                                            options_.padding);
}

torch::Tensor Conv2dImpl::convolved(const torch::Tensor& x, const ConvExtras& extras) {
  if (const auto packed = packed_for(x)) return packed_forward(*packed, x, extras);
  if (gpu::takes_half(x)) return forward_on_gpu(x, extras);
  auto h = extras.norm != nullptr ? extras.norm->forward_silu(x) : x;
  if (extras.upsampled) h = at::upsample_nearest2d(h, {2 * h.size(2), 2 * h.size(3)});
  const auto plain = plain_weight();
  const int64_t before = options_.padding_before, behind = options_.padding;
  const bool even = before == behind;
  if (!even) h = at::constant_pad_nd(h, {before, behind, before, behind}, 0);
  const int64_t padding = even ? behind : 0;
  h = at::conv2d(h, as_dtype_of(plain, h), as_dtype_of(bias, h), {options_.stride, options_.stride},
                 {padding, padding});
  if (extras.offset.defined()) h = h + extras.offset.unsqueeze(-1).unsqueeze(-1);
  return extras.residual.defined() ? h + extras.residual : h;
}

GroupNormImpl::GroupNormImpl(int64_t groups, int64_t channels, double eps)
    : groups_(groups), eps_(eps) {
  declare("weight", weight, {channels});
  declare("bias", bias, {channels});
}

torch::Tensor GroupNormImpl::forward(const torch::Tensor& x) const {
  const TimedLayer timed(*this, "group_norm", x);
  return group_norm(x, {groups_, weight, bias, eps_});
}

torch::Tensor GroupNormImpl::forward_silu(const torch::Tensor& x) const {
  const TimedLayer timed(*this, "group_norm", x);
  return group_norm(x, {groups_, weight, bias, eps_, /*silu=*/true});
}

GroupAffine GroupNormImpl::affine(const torch::Tensor& x) const {
  const TimedLayer timed(*this, "group_norm", x);
  return group_affine(x, {groups_, weight, bias, eps_});
}

GroupAffine GroupNormImpl::affine(const GroupMoments& moments) const {
  return moments.affine({groups_, weight, bias, eps_});
}

LayerNormImpl::LayerNormImpl(int64_t width, double eps) : width_(width), eps_(eps) {
  declare("weight", weight, {width});
  declare("bias", bias, {width});
}

torch::Tensor LayerNormImpl::forward(const torch::Tensor& x) const {
  const TimedLayer timed(*this, "layer_norm", x);
  return at::layer_norm(x, {width_}, as_dtype_of(weight, x), as_dtype_of(bias, x), eps_);
}

EmbeddingImpl::EmbeddingImpl(int64_t rows, int64_t width) {
  declare("weight", weight, {rows, width});
}

torch::Tensor EmbeddingImpl::forward(const torch::Tensor& ids) const {
  const TimedLayer timed(*this, "embedding", ids);
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
      if (slot.name != "weight" || !layer->packs()) continue;
      slots.back().bind_as = [layer](torch::Tensor value, torch::Dtype held) {
        layer->bind_as(std::move(value), held);
      };
      slots.back().bind_source = [layer](std::function<torch::Tensor()> read, torch::Dtype held) {
        layer->bind_source(std::move(read), held);
      };
    }
  }
  return slots;
}

}  // namespace sd
