#pragma once

#include <memory>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Weights of layers that work on single pixels or tokens with as many dimensions as the published
/// models give them: a matrix [out,in] and a 1x1 convolution [out,in,1,1] hold the same numbers,
/// and trainers and converters write one for the other. `proj_in` and `proj_out` of a UNet's
/// transformers, of which both kinds are published, follow the first of them. By CompVis names.
std::unique_ptr<TensorSource> with_usual_ranks(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
