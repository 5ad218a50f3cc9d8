#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "support/temp_folder.h"

namespace sd::test {

/// Writes a file without waiting for the disk, which would take long for hundreds of them.
inline void write_bytes(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  write_text(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace sd::test
