#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd::train {

using TensorMap = std::map<std::string, torch::Tensor>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Tensors and texts of one .safetensors file, in memory.
struct TensorFile {
  TensorMap tensors;
  Metadata metadata;

  /// Throws CheckpointError naming the file if there is no such tensor, or no such text.
  const torch::Tensor& at(const std::string& name) const;
  const std::string& text(const std::string& key) const;

  std::string label;  // for messages
};

/// What a tensor on the CPU, C-contiguous, looks like to a writer; it must outlive the view.
TensorView view_of(const torch::Tensor& tensor);

/// Replaces `path` whole or not at all. Throws IoError.
void write_tensor_file(const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata);

/// Throws IoError or CheckpointError, also for a file that was cut short.
TensorFile read_tensor_file(const std::filesystem::path& path);

}  // namespace sd::train
