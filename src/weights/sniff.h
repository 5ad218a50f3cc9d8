#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace sd {

/// What a model file is, told by its bytes.
enum class FileKind { kZip, kLegacyCkpt, kSafetensors, kGguf };

/// Throws CheckpointError for anything else, saying what it seems to be (empty, Git LFS pointer,
/// HTML page, ONNX, TensorRT, picture, archive, …) and what to do.
FileKind sniff(std::span<const std::byte> file, const std::string& label);

}  // namespace sd
