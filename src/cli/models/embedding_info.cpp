#include "cli/models/embedding_info.h"

#include <string>

#include "sd/core/sha256.h"
#include "sd/pipeline/embeddings.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

Json embedding_json(const std::filesystem::path& path, bool hash) {
  const auto embedding = read_embedding(path);
  Json json = {{"file", path.string()},
               {"kind", "embedding"},
               {"format", embedding.layout},
               {"name", embedding.name},
               {"token", text_or_null(embedding.alias)},
               {"vectors", embedding.vectors},
               {"width", embedding.width},
               {"family", text_or_null(family_of_width(embedding.width))},
               {"step", embedding.step ? Json(*embedding.step) : Json()},
               {"trained_on", text_or_null(embedding.trained_on)},
               {"trained_on_hash", text_or_null(embedding.trained_on_hash)}};
  if (hash) {
    const auto sha256 = sha256_file(path);
    json["sha256"] = sha256;
    json["hash"] = sha256.substr(0, kEmbeddingHash);
  }
  return json;
}

}  // namespace sd::cli
