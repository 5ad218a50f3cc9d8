#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sd/core/word_embedding.h"

namespace sd {

/// The text chunk of a PNG that holds an embedding.
inline constexpr std::string_view kEmbeddingKeyword = "sd-ti-embedding";

/// Reads the embedding that AUTOMATIC1111's web UI put into a PNG: in its text chunk
/// `sd-ti-embedding`, or in the lower four bits of columns beside the picture. None if there is
/// none. `label` is what to call the file in messages. Throws IoError for a damaged picture,
/// CheckpointError for a damaged embedding.
std::optional<EmbeddingFile> embedding_of_picture(std::span<const std::byte> png,
                                                  const std::string& label);

}  // namespace sd
