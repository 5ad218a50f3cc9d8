#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd {

/// One weight file, or several that belong together, by their own names.
struct OpenedFile {
  std::unique_ptr<TensorSource> tensors;
  std::string format;  // "ckpt", "legacy ckpt", "safetensors", "gguf", "sharded safetensors", …
  std::vector<std::pair<std::string, std::string>> metadata;  // of a .safetensors or GGUF
  std::filesystem::path main_file;                            // what the model hash is taken of
  std::vector<std::string> foreign_names = {};  // of a pickle: see sd/weights/foreign_names.h
};

/// Maps and reads one file, told apart by content. Throws IoError or CheckpointError.
OpenedFile open_weight_file(const std::filesystem::path& path);

/// The same for what a user names: one file, the index of several, or one of several; by unwrapped
/// names (wrapped_names.h).
OpenedFile open_weights(const std::filesystem::path& path);

}  // namespace sd
