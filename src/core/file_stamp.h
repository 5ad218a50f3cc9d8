#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/posix_file.h"

namespace sd {

/// What stays the same while nobody writes to a file or gives its name to another.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t seconds = 0;  // of the last write
  int64_t nanoseconds = 0;

  bool operator==(const FileStamp&) const = default;
};

/// Throws IoError naming `path`.
FileStamp stamp_of(const FileDescriptor& file, const std::filesystem::path& path);
/// The same of the regular file that has this name now.
FileStamp stamp_at(const std::filesystem::path& path);

/// How an open file differs from its stamp, naming `path`, and what to do instead; none if it does
/// not.
std::optional<std::string> changed_since(const FileStamp& stamp, const FileDescriptor& file,
                                         const std::filesystem::path& path);

}  // namespace sd
