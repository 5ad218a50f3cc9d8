#pragma once

#include <memory>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// What a tensor's name says about its place in a model; prefixes do not count.
enum class NamedAs { kNothing, kPart, kWholeModel };

/// "ema.module.first_stage_model.…" is of a whole model in CompVis layout, "unet.down_blocks.0.…"
/// of a part of one.
NamedAs named_as(std::string_view name);

/// True for a path of keys with averaged weights behind it: "ema.", "params_ema.model.".
bool is_averaged(std::string_view path);

/// Gives the tensors of a file the names that a published file has. It removes what wrappers leave
/// in names (`module.`, `_orig_mod.` and the like). It removes a prefix that all names of a model
/// share (`ema.`, `model.` before `first_stage_model.`, …). It turns `unet.`, `vae.` and
/// `text_encoder.` into their CompVis names. If plain and averaged weights stand side by side, the
/// plain ones count. All other names stay. Returns `tensors` itself if no name changes.
std::unique_ptr<TensorSource> with_unwrapped_names(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
