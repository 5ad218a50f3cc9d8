#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace sd {

/// What a model file is, told by its bytes.
enum class FileKind { kZip, kSafetensors };

/// Throws CheckpointError for anything else, saying what it seems to be (empty, Git LFS pointer,
/// HTML page, pickle without a zip, picture, archive, …) and what to do.
FileKind sniff(std::span<const std::byte> file, const std::string& label);

}  // namespace sd
