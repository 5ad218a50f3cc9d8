#include "core/file_stamp.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "sd/core/error.h"

namespace sd {

FileStamp stamp_of(const FileDescriptor& file, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw IoError(fmt::format("{}: cannot be examined: {}", path.string(), errno_message(errno)));
  }
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec};
}

FileStamp stamp_at(const std::filesystem::path& path) {
  return stamp_of(open_regular_file(path), path);
}

std::optional<std::string> changed_since(const FileStamp& stamp, const FileDescriptor& file,
                                         const std::filesystem::path& path) {
  const auto now = stamp_of(file, path);
  if (now == stamp) return std::nullopt;
  const auto how = now.size == stamp.size
                       ? fmt::format("its {} bytes were written over", stamp.size)
                       : fmt::format("{} bytes became {}", stamp.size, now.size);
  return fmt::format(
      "{}: the file was changed while it was read: {}\nNothing that was read of it is used. Run "
      "this again when the file is whole. To replace a file in use, move the new one over it (mv, "
      "not cp): programs that read the old one then keep it whole.",
      path.string(), how);
}

}  // namespace sd
