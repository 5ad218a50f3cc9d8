// LibTorch has shape rules for most operators on the meta device; Python adds the rest. These are
// the ones our modules need beyond C++'s. Each refuses a tensor of another device, as the kernels
// of a GPU do.
#include <ATen/ExpandUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/result_type.h>
#include <torch/library.h>

#include <optional>
#include <tuple>
#include <vector>

namespace {

void require_meta(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(!tensor.defined() || tensor.is_meta(),
              "Expected all tensors to be on the same device, but ", name, " is on ",
              tensor.device());
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef, int64_t groups) {
  require_meta(input, "input");
  require_meta(weight, "weight");
  if (bias) require_meta(*bias, "bias");
  TORCH_CHECK(!transposed && groups == 1 && input.size(1) == weight.size(1),
              "not a convolution of ours");
  std::vector<int64_t> shape = {input.size(0), weight.size(0)};
  for (int64_t d = 0; d < 2; ++d) {
    const int64_t reach = dilation[d] * (weight.size(2 + d) - 1) + 1;
    shape.push_back((input.size(2 + d) + 2 * padding[d] - reach) / stride[d] + 1);
  }
  return at::empty(shape, input.options());
}

at::Tensor index_select(const at::Tensor& self, int64_t dim, const at::Tensor& index) {
  require_meta(self, "self");
  require_meta(index, "index");
  auto shape = self.sizes().vec();
  shape[static_cast<std::size_t>(dim)] = index.numel();
  return at::empty(shape, self.options());
}

using Normed = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

/// Value, mean and reciprocal deviation; nobody here looks at the last two.
Normed normed(const at::Tensor& input, const std::optional<at::Tensor>& weight,
              const std::optional<at::Tensor>& bias) {
  require_meta(input, "input");
  if (weight) require_meta(*weight, "weight");
  if (bias) require_meta(*bias, "bias");
  return {at::empty(input.sizes(), input.options()), at::empty({0}, input.options()),
          at::empty({0}, input.options())};
}

Normed layer_norm(const at::Tensor& input, at::IntArrayRef, const std::optional<at::Tensor>& weight,
                  const std::optional<at::Tensor>& bias, double) {
  return normed(input, weight, bias);
}

Normed group_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight,
                  const std::optional<at::Tensor>& bias, int64_t, int64_t channels, int64_t,
                  int64_t groups, double) {
  TORCH_CHECK(channels % groups == 0 && (!weight || weight->numel() == channels),
              "groups do not fit the channels");
  return normed(input, weight, bias);
}

/// Inside attention's softmax, where a row that is masked whole becomes 0. Scalars made on the CPU
/// may take part anywhere.
at::Tensor& where_out(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other,
                      at::Tensor& out) {
  require_meta(condition, "condition");
  if (self.dim() > 0) require_meta(self, "self");
  if (other.dim() > 0) require_meta(other, "other");
  out.resize_(at::infer_size(condition.sizes(), at::infer_size(self.sizes(), other.sizes())));
  return out;
}

at::Tensor where(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other) {
  auto out = at::empty({0}, condition.options().dtype(at::result_type(self, other)));
  return where_out(condition, self, other, out);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("convolution_overrideable", convolution);
  library.impl("index_select", index_select);
  library.impl("where.self", where);
  library.impl("where.self_out", where_out);
  library.impl("native_layer_norm", layer_norm);
  library.impl("native_group_norm", group_norm);
}
