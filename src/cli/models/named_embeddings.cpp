#include "cli/models/named_embeddings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "cli/models/named_models.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kEmbeddingEndings = {".safetensors", ".pt", ".bin",
                                                               ".png"};
constexpr std::size_t kMostFiles = 100'000;  // of a folder that is no folder of embeddings

std::vector<NamedEmbedding> embeddings_in(const fs::path& folder) {
  std::vector<NamedEmbedding> found;
  std::error_code error;
  std::size_t seen = 0;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(folder, options, error);
       !error && entry != fs::recursive_directory_iterator() && ++seen < kMostFiles;
       entry.increment(error)) {
    const auto& path = entry->path();
    const auto extension = path.extension().string();
    if (std::ranges::find(kEmbeddingEndings, extension) == kEmbeddingEndings.end()) continue;
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) found.push_back({path.stem().string(), path});
  }
  std::ranges::sort(found, [](const NamedEmbedding& one, const NamedEmbedding& other) {
    return std::tie(one.name, one.path) < std::tie(other.name, other.path);
  });
  return found;
}

}  // namespace

std::vector<fs::path> embedding_folders() {
  std::vector<fs::path> folders;
  const char* named = std::getenv("SD_EMBEDDING_DIR");
  std::error_code error;
  if (named != nullptr && *named != '\0') {
    if (!fs::is_directory(named, error))
      throw IoError(fmt::format("SD_EMBEDDING_DIR: {} is not a folder", named));
    folders.emplace_back(named);
  }
  if (const auto models = models_folder()) {
    const auto beside = *models / "embeddings";
    if (fs::is_directory(beside, error)) folders.push_back(beside);
  }
  return folders;
}

std::vector<NamedEmbedding> named_embeddings(const std::vector<fs::path>& folders) {
  std::vector<NamedEmbedding> all;
  std::set<std::string> names;
  for (const auto& folder : folders) {
    for (auto& embedding : embeddings_in(folder)) {
      if (names.insert(embedding.name).second) all.push_back(std::move(embedding));
    }
  }
  return all;
}

}  // namespace sd::cli
