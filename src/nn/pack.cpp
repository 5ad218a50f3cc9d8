#include "nn/pack.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>

#include "kernels/convolution.h"
#include "kernels/gemm.h"
#include "nn/parallel_tasks.h"

namespace sd {
namespace {

bool is_float_or_bf16(const torch::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

kernels::Operands operands_for(const PackedLayer::Kind& kind) {
  using kernels::Operands;
  if (kind.input == at::kBFloat16) return kind.int8 ? Operands::kInt8Pairs : Operands::kBf16Pairs;
  if (kind.int8) return Operands::kInt8Weights;
  return kind.held == at::kBFloat16 ? Operands::kBf16Weights : Operands::kFloats;
}

int64_t taps_of(const torch::Tensor& weight) {
  return weight.dim() == 4 ? weight.size(2) * weight.size(3) : 1;
}

/// x as rows of its last dimension, evenly apart.
torch::Tensor as_rows(const torch::Tensor& x) {
  const auto rows = x.stride(-1) == 1 ? x : x.contiguous();
  return rows.flatten(0, -2);  // a view where it can be
}

/// [...,width]. Rows that are a multiple of 4096 bytes apart would share a few sets of the first
/// cache, so that reading some of them at a time throws the others out: there they stand a line
/// further apart.
torch::Tensor rows_of_width(std::vector<int64_t> shape, int64_t width,
                            const at::TensorOptions& options) {
  constexpr int64_t kAliased = 4096, kLine = 64;
  const auto size = static_cast<int64_t>(options.dtype().itemsize());
  const bool aliased = width * size % kAliased == 0;
  shape.back() = aliased ? width + kLine / size : width;
  return at::empty(shape, options).narrow(-1, 0, width);
}

kernels::Activation kernel_activation(LayerFinish::Activation activation) {
  switch (activation) {
    case LayerFinish::Activation::kGelu:
      return kernels::Activation::kGelu;
    case LayerFinish::Activation::kQuickGelu:
      return kernels::Activation::kQuickGelu;
    case LayerFinish::Activation::kGated:
      return kernels::Activation::kGated;
    case LayerFinish::Activation::kNone:
      break;
  }
  return kernels::Activation::kNone;
}

}  // namespace

bool can_pack(const torch::Tensor& weight, const torch::Tensor& x) {
  return c10::InferenceMode::is_enabled() && !weight.requires_grad() && is_float_or_bf16(x) &&
         (is_float_or_bf16(weight) || weight.scalar_type() == at::kHalf || weight.is_meta());
}

PackedLayer::PackedLayer(const torch::Tensor& weight, const torch::Tensor& bias, const Kind& kind)
    : shape_(weight.sizes().vec()), kind_(kind) {
  // Kernels read float32 and bf16; what they store is rounded as they pack it.
  const bool readable = is_float_or_bf16(weight);
  const auto values =
      (readable ? weight : weight.to(kind.int8 ? at::kFloat : kind.held)).contiguous();
  const kernels::WeightView view{values.const_data_ptr(), values.scalar_type() == at::kBFloat16,
                                 values.size(0),          values.size(1),
                                 taps_of(values),         kind.gated};
  weights_ = kernels::PackedWeights(view, kernels::best_isa(), operands_for(kind));
  run_tasks(weights_.panels(), [&](int64_t panel) { weights_.fill(view, panel); });
  if (bias.defined()) {
    bias_ = bias.to(at::kFloat).contiguous();
    ordered_bias_ = kernels::packed_bias(weights_, bias_.const_data_ptr<float>());
  }
}

torch::Tensor PackedLayer::plain_weight() const {
  const bool bf16 = weights_.operands() == kernels::Operands::kBf16Pairs ||
                    weights_.operands() == kernels::Operands::kBf16Weights;
  auto values = at::empty(shape_, at::TensorOptions().dtype(bf16 ? at::kBFloat16 : at::kFloat));
  weights_.unpack(values.mutable_data_ptr());
  return values;
}

/// `rows`, the finish's residual and the output must stay while the plan runs.
kernels::GemmPlan PackedLayer::plan_of(const torch::Tensor& rows, const LayerFinish& finish,
                                       void* out, int64_t out_stride) const {
  return kernels::GemmPlan({
      .x = rows.const_data_ptr(),
      .x_stride = rows.stride(0),
      .rows = rows.size(0),
      .weights = &weights_,
      .bias = ordered_bias_.empty() ? nullptr : ordered_bias_.data(),
      .residual = finish.residual.defined() ? finish.residual.const_data_ptr() : nullptr,
      .residual_stride = finish.residual.defined() ? finish.residual.stride(0) : 0,
      .out = out,
      .out_stride = out_stride,
      .bf16_out = rows.scalar_type() == at::kBFloat16,
      .activation = kernel_activation(finish.activation),
  });
}

torch::Tensor PackedLayer::linear(const torch::Tensor& x, const LayerFinish& finish) const {
  const auto rows = as_rows(x);
  auto shape = x.sizes().vec();
  shape.back() = outputs();
  // What a gate lets through goes into the next product and nowhere else.
  auto out = weights_.gated() ? rows_of_width(shape, outputs(), x.options())
                              : at::empty(shape, x.options());
  LayerFinish by_rows = finish;
  if (finish.residual.defined()) by_rows.residual = as_rows(finish.residual);
  const auto plan = plan_of(rows, by_rows, out.mutable_data_ptr(), out.stride(-2));
  run_tasks(plan.tasks(), [&](int64_t task) { plan.run(task); });
  return out;
}

torch::Tensor PackedLayer::linear_together(
    const torch::Tensor& x, const std::vector<std::shared_ptr<const PackedLayer>>& layers) {
  const auto rows = as_rows(x);
  auto shape = x.sizes().vec();
  shape.back() = 0;
  for (const auto& layer : layers) shape.back() += layer->outputs();
  auto out = at::empty(shape, x.options());
  auto* to = static_cast<std::byte*>(out.mutable_data_ptr());
  std::vector<kernels::GemmPlan> plans;
  std::vector<int64_t> first_task = {0};
  for (const auto& layer : layers) {
    plans.push_back(layer->plan_of(rows, {}, to, shape.back()));
    first_task.push_back(first_task.back() + plans.back().tasks());
    to += layer->outputs() * out.element_size();
  }
  run_tasks(first_task.back(), [&](int64_t task) {
    const auto next = std::upper_bound(first_task.begin(), first_task.end(), task);
    const auto at = static_cast<std::size_t>(next - first_task.begin()) - 1;
    plans[at].run(task - first_task[at]);
  });
  return out;
}

torch::Tensor PackedLayer::image_bias(const torch::Tensor& offset) const {
  if (!offset.defined()) return bias_.defined() ? bias_.unsqueeze(0) : bias_;
  const auto shift = offset.to(at::kFloat);
  return (bias_.defined() ? shift + bias_ : shift).contiguous();
}

torch::Tensor PackedLayer::convolve(const torch::Tensor& x, const Convolution& how,
                                    const GroupAffine& affine, const ConvExtras& extras,
                                    const Cut& cut, torch::Tensor out) const {
  const auto channels_last = [](const torch::Tensor& maps) {
    return maps.defined() ? maps.contiguous(at::MemoryFormat::ChannelsLast) : maps;
  };
  const auto pointer_of = [](const torch::Tensor& values) {
    return values.defined() ? values.const_data_ptr() : nullptr;
  };
  const auto maps = channels_last(x), residual = channels_last(extras.residual);
  const auto bias = image_bias(extras.offset);
  kernels::ConvCall call{
      .weights = &weights_,
      .kernel = how.kernel,
      .stride = how.stride,
      .pad_before = how.padding_before,
      .pad_after = how.padding_behind,
      .cut_above = cut.above,
      .cut_below = cut.below,
      .input = maps.const_data_ptr(),
      .images = maps.size(0),
      .height = maps.size(2),
      .width = maps.size(3),
      .bf16 = maps.scalar_type() == at::kBFloat16,
      .upsampled = extras.upsampled,
      .scale = static_cast<const float*>(pointer_of(affine.scale)),
      .shift = static_cast<const float*>(pointer_of(affine.shift)),
      .silu = affine.scale.defined(),
      .bias = static_cast<const float*>(pointer_of(bias)),
      .bias_stride = bias.defined() && bias.size(0) > 1 ? bias.size(1) : 0,
      .residual = pointer_of(residual),
      .output = nullptr,
      .exact = how.exact,
      .threads = at::get_num_threads(),
  };
  const std::array<int64_t, 4> shape = {maps.size(0), weights_.columns(),
                                        kernels::conv_output_height(call),
                                        kernels::conv_output_width(call)};
  if (!out.defined()) out = at::empty(shape, maps.options(), at::MemoryFormat::ChannelsLast);
  TORCH_INTERNAL_ASSERT(out.sizes().equals(shape) && out.dtype() == maps.dtype() &&
                        out.is_contiguous(at::MemoryFormat::ChannelsLast));
  call.output = out.mutable_data_ptr();
  const kernels::ConvPlan plan(call);
  run_tasks(plan.tasks(), [&](int64_t task) { plan.run(task); });
  return out;
}

}  // namespace sd
