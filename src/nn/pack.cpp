#include "nn/pack.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/Scalar.h>

#include <array>
#include <optional>
#include <string_view>

namespace sd {
namespace {

// LibTorch registers these for its compiler; they have no C++ header, so they are looked up by
// name.
using Reorder = torch::Tensor(const torch::Tensor&, at::IntArrayRef, at::IntArrayRef,
                              at::IntArrayRef, int64_t, at::OptionalIntArrayRef);
using Convolve = torch::Tensor(const torch::Tensor&, const torch::Tensor&,
                               const std::optional<torch::Tensor>&, at::IntArrayRef,
                               at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                               c10::List<std::optional<at::Scalar>>,
                               std::optional<std::string_view>);

constexpr const char* kReorder = "mkldnn::_reorder_convolution_weight";
constexpr const char* kConvolve = "mkldnn::_convolution_pointwise";

bool operators_are_there() {
  static const bool there = at::globalContext().hasMKLDNN() &&
                            c10::Dispatcher::singleton().findSchema({kReorder, ""}).has_value() &&
                            c10::Dispatcher::singleton().findSchema({kConvolve, ""}).has_value();
  return there;
}

}  // namespace

bool can_pack_convolution(const torch::Tensor& weight, const torch::Tensor& x) {
  return c10::InferenceMode::is_enabled() && !weight.requires_grad() && x.is_cpu() &&
         weight.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat &&
         operators_are_there();
}

torch::Tensor pack_convolution(const torch::Tensor& weight, at::IntArrayRef input_size,
                               int64_t stride, int64_t padding) {
  static const auto reorder =
      c10::Dispatcher::singleton().findSchemaOrThrow(kReorder, "").typed<Reorder>();
  const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding},
                               dilations = {1, 1};
  // Channels-last weights make oneDNN choose the layout for channels-last pictures.
  return reorder.call(weight.contiguous(at::MemoryFormat::ChannelsLast), paddings, strides,
                      dilations, 1, input_size);
}

torch::Tensor packed_convolution(const torch::Tensor& x, const torch::Tensor& packed,
                                 const torch::Tensor& bias, int64_t stride, int64_t padding) {
  static const auto convolve =
      c10::Dispatcher::singleton().findSchemaOrThrow(kConvolve, "").typed<Convolve>();
  const std::array<int64_t, 2> strides = {stride, stride}, paddings = {padding, padding},
                               dilations = {1, 1};
  return convolve.call(x, packed, bias, paddings, strides, dilations, 1, "none",
                       c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

}  // namespace sd
