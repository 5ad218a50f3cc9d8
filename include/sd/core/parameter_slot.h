#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sd {

/// A place in a module that waits for a tensor: how readers and modules meet without knowing each
/// other.
struct ParameterSlot {
  std::string name;  // dotted, as checkpoints have it
  std::vector<int64_t> shape;
  std::function<void(torch::Tensor)> bind;  // takes a tensor of that shape, any dtype and device

  /// Of weights that are rearranged at a layer's first call: takes one as its file holds it, and
  /// the dtype in which it counts from then on. Null: the layer takes no such thing.
  std::function<void(torch::Tensor, torch::Dtype)> bind_as = nullptr;
  /// Likewise, of weights for which there is no room: they are read anew for every call.
  std::function<void(std::function<torch::Tensor()>, torch::Dtype)> bind_source = nullptr;
};

}  // namespace sd
