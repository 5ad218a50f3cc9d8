#pragma once

#include <span>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Writes a tensor's elements in C order as float32, exactly but for float64. Pages of the file
/// behind are given back. Throws CheckpointError where it holds no floating-point numbers.
void widen_base(const TensorView& view, std::span<float> values);

}  // namespace sd
