#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "sd/core/parameter_slot.h"

namespace sd::train {

/// All parameters of a model in one float32 tensor, their gradients in another: the optimiser, the
/// averages and the saved state then are a few tensors instead of hundreds, and each update is one
/// pass over memory.
class FlatParameters {
 public:
  struct Entry {
    std::string name;  // dotted, as checkpoints have it
    std::vector<int64_t> shape;
    int64_t begin = 0;
    int64_t count = 0;
  };

  /// Binds every slot to a trainable view. Matrices and kernels stand first, so that weight decay
  /// (which biases and norms go without) covers the range [0, decayed()).
  explicit FlatParameters(std::vector<ParameterSlot> slots, torch::Device device = torch::kCPU);

  const std::vector<Entry>& entries() const { return entries_; }
  int64_t decayed() const { return decayed_; }

  torch::Tensor& values() { return values_; }
  torch::Tensor& gradients() { return gradients_; }

  /// The part of `flat` (values, gradients, a moment, an average) that belongs to an entry.
  static torch::Tensor view(const torch::Tensor& flat, const Entry& entry);

 private:
  std::vector<Entry> entries_;
  int64_t decayed_ = 0;
  torch::Tensor values_, gradients_;  // [parameters] float32
};

}  // namespace sd::train
