#pragma once

#include <memory>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// A tensor that says which rows a shortened token embedding has. A file may leave out the rows of
/// words that training never saw; its embedding is then [n,width], and this tensor holds the n ids
/// of those rows, int32, ascending.
inline constexpr std::string_view kSeenWords =
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.rows";

/// The same tensors with all 49,408 rows of the embedding; rows that the file leaves out are zero.
/// Returns `tensors` itself if the file leaves out none. Throws CheckpointError for ids that make
/// no sense.
std::unique_ptr<TensorSource> with_all_words(std::unique_ptr<TensorSource> tensors);

}  // namespace sd
