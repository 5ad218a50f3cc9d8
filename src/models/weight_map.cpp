#include "sd/models/weight_map.h"

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr double kNormEps = 1e-5;

}  // namespace

torch::Tensor WeightMap::at(const std::string& name, const std::vector<int64_t>& shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw CheckpointError(fmt::format("{}: '{}' is missing", label_, name));
  if (found->second.sizes() != at::IntArrayRef(shape)) {
    throw CheckpointError(fmt::format("{}: '{}' has shape [{}], expected [{}]", label_, name,
                                      fmt::join(found->second.sizes(), ", "),
                                      fmt::join(shape, ", ")));
  }
  return found->second.to(device_, at::kFloat);
}

int64_t WeightMap::rows(const std::string& name, int64_t columns) const {
  const auto found = tensors_.find(name);
  const int64_t rows =
      found == tensors_.end() || found->second.dim() != 2 ? 0 : found->second.size(0);
  at(name, {rows, columns});
  return rows;
}

torch::Tensor WeightMap::linear(const std::string& name, const torch::Tensor& x,
                                int64_t out) const {
  const auto weight = at(name + ".weight", {out, x.size(-1)});
  if (!contains(name + ".bias")) return at::linear(x, weight);
  return at::linear(x, weight, at(name + ".bias", {out}));
}

torch::Tensor WeightMap::norm(const std::string& name, const torch::Tensor& x) const {
  const int64_t width = x.size(-1);
  return at::layer_norm(x, {width}, at(name + ".weight", {width}), at(name + ".bias", {width}),
                        kNormEps);
}

}  // namespace sd
