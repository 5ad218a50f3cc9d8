#pragma once

#include <memory>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Distilled UNets have one residual block a level less than Stable Diffusion, and the usual script
/// that writes them with CompVis names leaves the numbers of what was cut out: input_blocks.1, 3,
/// 4, 6 and output_blocks.0, 1, 2, of which the third is an upsampler alone. This gives the blocks
/// the numbers that such a UNet has by itself. Returns `tensors` where nothing was left out.
std::unique_ptr<TensorSource> with_close_numbers(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
