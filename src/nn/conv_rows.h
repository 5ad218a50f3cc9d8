#pragma once

#include <torch/types.h>

#include <cstdint>

#include "nn/group_norm.h"

namespace sd {

/// Rows of a convolution's output for one picture on a CPU, and the rows of its input that they
/// depend on. All maps are channels-last.
struct ConvRows {
  torch::Tensor x;           // [1,C,·,W]: rows of the input, from its row `first` on
  int64_t first = 0;         // as they are stored
  bool upsampled = false;    // x is doubled in height and width, pixel by pixel, before
  GroupAffine affine{};      // where defined, x · scale + shift, then SiLU, as x is read
  torch::Tensor residual{};  // of the shape of `out`, added last
  torch::Tensor out;         // [1,out,·,·]: gets rows from row `begin` on; the residual at most
  int64_t begin = 0;
};

}  // namespace sd
