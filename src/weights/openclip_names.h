#pragma once

#include <memory>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Where a checkpoint carries OpenCLIP's text encoder (Stable Diffusion 2:
/// `cond_stage_model.model.…`), its tensors under CLIP's names
/// (`cond_stage_model.transformer.text_model.…`): the fused projection `attn.in_proj_weight` as
/// views of q, k and v, nothing copied. Only the layers that run are renamed: the published models
/// take the output of the last but one. Returns `tensors` itself where there is no such encoder.
std::unique_ptr<TensorSource> with_clip_names(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
