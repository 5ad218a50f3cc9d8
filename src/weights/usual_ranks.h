#pragma once

#include <memory>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Gives weights the number of dimensions that published models have. A matrix [out,in] and a 1x1
/// convolution [out,in,1,1] hold the same numbers, and trainers and converters write one for the
/// other. Both kinds are published for `proj_in` and `proj_out` of a UNet's transformers; all of
/// these follow the first one in the file. Names are CompVis'.
std::unique_ptr<TensorSource> with_usual_ranks(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
