#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace sd {

/// Writes `bytes` to `path` so that no reader ever sees half a file: a temporary name in the same
/// folder, fsync, rename. With `overwrite` false an existing file is an error. Throws IoError
/// (folder missing, not writable, disk full); the temporary file is removed then.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes,
                bool overwrite = false);

/// Makes `folder` with its parents and proves that files can be written in it. Throws IoError.
void make_writable_folder(const std::filesystem::path& folder);

}  // namespace sd
