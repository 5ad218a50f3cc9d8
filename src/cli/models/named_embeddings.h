#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sd::cli {

/// A file that may be a textual inversion embedding, and its name in prompts: the file's without
/// its ending.
struct NamedEmbedding {
  std::string name;
  std::filesystem::path path;
};

/// Where embeddings are looked for by their names: in what the environment variable
/// SD_EMBEDDING_DIR names, then in SD_MODELS_DIR/embeddings. Throws IoError if the first is set and
/// no folder.
std::vector<std::filesystem::path> embedding_folders();

/// All that lie in the folders and below, by name, those of the first folder first; of several with
/// one name the first. Nothing is opened.
std::vector<NamedEmbedding> named_embeddings(const std::vector<std::filesystem::path>& folders);

}  // namespace sd::cli
