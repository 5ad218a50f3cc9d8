#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

namespace sd {

/// Tensors by name, as their file holds them: the weights of parts that run once for a picture and
/// not in every step. What is computed of them is float32.
class WeightMap {
 public:
  /// `label` is what to call their file in messages.
  WeightMap(std::string label, std::map<std::string, torch::Tensor> tensors, torch::Device device)
      : label_(std::move(label)), tensors_(std::move(tensors)), device_(device) {}

  bool contains(const std::string& name) const { return tensors_.contains(name); }
  /// In float32 on the device. Throws CheckpointError if it is missing or has another shape.
  torch::Tensor at(const std::string& name, const std::vector<int64_t>& shape) const;

  /// How many rows the matrix of this name has; it must have `columns`. Throws CheckpointError.
  int64_t rows(const std::string& name, int64_t columns) const;

  /// x Wᵀ + b with NAME.weight [out,in] and, if it is there, NAME.bias.
  torch::Tensor linear(const std::string& name, const torch::Tensor& x, int64_t out) const;
  /// The layer norm NAME over the last dimension.
  torch::Tensor norm(const std::string& name, const torch::Tensor& x) const;

  const torch::Device& device() const { return device_; }
  const std::string& label() const { return label_; }

 private:
  std::string label_;
  std::map<std::string, torch::Tensor> tensors_;
  torch::Device device_;
};

}  // namespace sd
