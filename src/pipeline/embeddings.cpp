#include "sd/pipeline/embeddings.h"

#include <fmt/format.h>

#include <utility>

#include "core/posix_file.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/image/embedding_picture.h"
#include "sd/weights/embedding_file.h"

namespace sd {
namespace {

constexpr std::string_view kPngStart = "\x89PNG";

std::string with_family(int64_t width) {
  const auto family = family_of_width(width);
  return family.empty() ? std::to_string(width) : fmt::format("{} ({})", width, family);
}

EmbeddingFile read_picture(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  auto embedding = embedding_of_picture(file->bytes(), path.string());
  if (embedding) return std::move(*embedding);
  throw CheckpointError(fmt::format(
      "{}: a picture without an embedding in it\n    Image editors and many sites drop it: take "
      "the file as it was written.",
      path.string()));
}

}  // namespace

EmbeddingFile read_embedding(const std::filesystem::path& path) {
  const bool picture = read_start(path, kPngStart.size()) == kPngStart;
  auto embedding = picture ? read_picture(path) : read_embedding_weights(path);
  if (embedding.name.empty()) embedding.name = path.stem().string();
  return embedding;
}

std::shared_ptr<const EmbeddedWords> with_embeddings(std::shared_ptr<const Tokenizer> tokenizer,
                                                     const TextConfig& text,
                                                     std::vector<WordEmbedding> embeddings) {
  for (const auto& embedding : embeddings) {
    if (embedding.width == text.width) continue;
    throw CheckpointError(fmt::format(
        "the embedding '{}' is {} wide, the model's text encoder {}\n    It was trained for "
        "another family of models; take one that was trained for this one.",
        embedding.name, with_family(embedding.width), with_family(text.width)));
  }
  return std::make_shared<EmbeddedWords>(std::move(tokenizer), std::move(embeddings));
}

}  // namespace sd
