#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd {

/// A tensor to be written; `view` must be C-contiguous.
struct NamedTensor {
  std::string name;
  TensorView view;
};

/// Writes a .safetensors file (github.com/huggingface/safetensors, "Format") with the tensors in
/// the given order, whole or not at all. Throws IoError if it cannot be written, UsageError for a
/// name given twice or bytes that contradict the shape.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata = {},
                       bool overwrite = false);

}  // namespace sd
