#pragma once

#include <fmt/format.h>

#include <filesystem>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

namespace sd {

/// Maps `path` and hands its bytes to `read`, whose errors then name the path.
template <typename Read>
auto read_named(const std::filesystem::path& path, const Read& read) {
  const auto file = MappedFile::open(path);
  try {
    return read(file->bytes());
  } catch (const IoError& error) {
    throw IoError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace sd
