#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/core/word_embedding.h"
#include "sd/text/embedded_words.h"

namespace sd {

/// Reads an embedding in whichever form it was published: see read_embedding_weights
/// (sd/weights/embedding_file.h) and embedding_of_picture (sd/image/embedding_picture.h). Its name
/// is the file's without its ending, or what a picture says; diffusers' token is its alias. Throws
/// IoError or CheckpointError.
EmbeddingFile read_embedding(const std::filesystem::path& path);

/// A model's tokenizer that knows these embeddings as words, for DrawSettings::embeddings. Throws
/// CheckpointError, with both widths, for an embedding that was trained for another text encoder,
/// and UsageError as EmbeddedWords does.
std::shared_ptr<const EmbeddedWords> with_embeddings(std::shared_ptr<const Tokenizer> tokenizer,
                                                     const TextConfig& text,
                                                     std::vector<WordEmbedding> embeddings);

}  // namespace sd
