#pragma once

#include <memory>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// What the name of a tensor tells of where it stands, whatever stands before it.
enum class NamedAs { kNothing, kPart, kWholeModel };

/// "ema.module.first_stage_model.…" is of a whole model in CompVis layout, "unet.down_blocks.0.…"
/// of a part of one.
NamedAs named_as(std::string_view name);

/// True for a path of keys with averaged weights behind it: "ema.", "params_ema.model.".
bool is_averaged(std::string_view path);

/// The tensors of a file under the names that they have in a published one: without what wrappers
/// (`module.`, `_orig_mod.` and the like) leave in them, and without what all of a model's names
/// begin with (`ema.`, `model.` before `first_stage_model.`, …); `unet.`, `vae.` and
/// `text_encoder.` become their CompVis names. Where plain and averaged weights stand beside each
/// other the plain ones count. Names of anything else stay; `tensors` itself comes back where
/// nothing changes.
std::unique_ptr<TensorSource> with_unwrapped_names(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
