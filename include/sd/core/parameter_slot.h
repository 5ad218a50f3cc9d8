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
};

}  // namespace sd
