#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sd {

/// The most vectors that a word may stand for: as many as a chunk of a prompt has tokens.
inline constexpr int64_t kMostEmbeddingVectors = 75;

/// A word that was learnt beside a model (textual inversion, arXiv:2208.01618): what the text
/// encoder takes in the place of its tokens.
struct WordEmbedding {
  std::string name;   // what stands for it in a prompt
  std::string alias;  // likewise; empty: nothing else does
  int64_t vectors = 0;
  int64_t width = 0;          // of each vector, that of the text encoder
  std::vector<float> values;  // [vectors,width]
};

/// The same with what its file tells of it.
struct EmbeddingFile : WordEmbedding {
  std::string layout;                       // "A1111 .pt", "one tensor", …
  std::optional<int64_t> step;              // of its training
  std::string trained_on, trained_on_hash;  // the model; empty: not told
};

/// Throws CheckpointError, beginning with `label`, for a shape that is none of an embedding's:
/// [width] or [vectors,width] with 1 to kMostEmbeddingVectors vectors.
void check_embedding_shape(const std::vector<int64_t>& shape, const std::string& label);

/// Throws CheckpointError, beginning with `label`, if a value is no finite number.
void check_embedding_values(const WordEmbedding& embedding, const std::string& label);

/// "Stable Diffusion v1" of 768, "Stable Diffusion v2" of 1024, "" of another width.
std::string family_of_width(int64_t width);

}  // namespace sd
