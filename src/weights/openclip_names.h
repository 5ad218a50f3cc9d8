#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// Where a checkpoint carries OpenCLIP's text encoder (Stable Diffusion 2:
/// `cond_stage_model.model.…`), its tensors under CLIP's names
/// (`cond_stage_model.transformer.text_model.…`): the fused projection `attn.in_proj_weight` as
/// views of q, k and v, nothing copied. Only the layers that run are renamed: the published models
/// take the output of the last but one. Returns `tensors` itself where there is no such encoder.
std::unique_ptr<TensorSource> with_clip_names(std::unique_ptr<TensorSource> tensors);

/// What OpenCLIP calls a tensor.
struct OpenClipName {
  std::string name;
  int64_t part = 0;                   // which third of it this is, where it has siblings
  std::vector<std::string> siblings;  // queries, keys, values: the names here of the last two
};

/// The way back, for a name of this program's; nothing for one that is none of the text encoder's.
std::optional<OpenClipName> openclip_name(std::string_view name);

/// Whether the text encoder, written under OpenCLIP's names, would be read back as the same one.
/// That holds for the published sizes. It also holds if the layer behind the last one that runs is
/// there; without it a reader could not tell which layer is the last to run.
bool has_openclip_names(const TensorSource& tensors, const TextConfig& text);

}  // namespace sd
