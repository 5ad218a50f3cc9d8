#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd {

/// One weight file as it is, by its own names.
struct OpenedFile {
  std::unique_ptr<TensorSource> tensors;
  std::string format;                                         // "ckpt" or "safetensors"
  std::vector<std::pair<std::string, std::string>> metadata;  // of a .safetensors
};

/// Maps and reads one file, told apart by content. Throws IoError or CheckpointError.
OpenedFile open_weight_file(const std::filesystem::path& path);

}  // namespace sd
