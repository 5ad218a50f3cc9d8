#pragma once

#include <memory>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Weights that are held divided by a scale (ComfyUI's "scaled fp8"): `X.weight` in 8 bits beside
/// `X.scale_weight` or `X.weight_scale`, one number or one a row. They come out multiplied, as F32
/// made anew at each `at`; scales and markers have no names here. Returns `tensors` itself where
/// there is nothing of the kind. Throws CheckpointError naming what is quantised in another way.
std::unique_ptr<TensorSource> with_scales_applied(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
