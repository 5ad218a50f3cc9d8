#pragma once

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"

namespace sd {

// What detect_config tells of one part alone (by CompVis names); errors are its own.

VaeConfig detect_vae_config(const TensorSource& tensors, VaeConfig base);
TextConfig detect_text_config(const TensorSource& tensors, TextConfig base);

}  // namespace sd
