#pragma once

#include <memory>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// What a file has beside the token embedding of a CLIP text encoder [n,width] where it leaves out
/// the rows of words that training never saw: the ids [n] int32 of those it has, ascending.
inline constexpr std::string_view kSeenWords =
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.rows";

/// The same tensors with all 49,408 rows of the embedding, zero where the file has none; `tensors`
/// itself if it leaves out nothing. Throws CheckpointError for ids that make no sense.
std::unique_ptr<TensorSource> with_all_words(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
