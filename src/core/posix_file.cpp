#include "core/posix_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd {
namespace {

std::string open_failure(const std::filesystem::path& path, int error) {
  if (error == ENOENT) {
    if (auto dead = dead_link(path)) return std::move(*dead);
    return fmt::format("{}: no such file", path.string());
  }
  if (error == ENXIO) return fmt::format("{}: expected a file, found a socket", path.string());
  return fmt::format("{}: cannot be read: {}", path.string(), errno_message(error));
}

const char* remedy_for(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "\n    The disk is full: free some space, or choose another folder.";
    case EFBIG:
      return "\n    Files may not become so large here: 'ulimit -f' shows and lifts the shell's "
             "limit; a file system has one of its own.";
    default:
      return "";
  }
}

}  // namespace

std::string errno_message(int error) { return std::generic_category().message(error); }

const char* kind_name(mode_t mode) {
  if (S_ISREG(mode)) return "a file";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

const char* kind_of(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? kind_name(status.st_mode) : "nothing";
}

void throw_write_error(const std::filesystem::path& path, int error) {
  throw IoError(fmt::format("{}: cannot be written: {}{}", path.string(), errno_message(error),
                            remedy_for(error)));
}

FileDescriptor open_regular_file(const std::filesystem::path& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) throw IoError(open_failure(path, errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    throw IoError(fmt::format("{}: cannot be examined: {}", path.string(), errno_message(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    throw IoError(
        fmt::format("{}: expected a file, found {}", path.string(), kind_name(status.st_mode)));
  }
  return fd;
}

std::string read_start(const std::filesystem::path& path, std::size_t most) {
  constexpr std::size_t kPiece = 1 << 16;
  const FileDescriptor fd = open_regular_file(path);
  std::string text;
  while (text.size() < most) {
    const std::size_t before = text.size();
    text.resize(before + std::min(kPiece, most - before));
    const ssize_t count = ::read(fd.get(), text.data() + before, text.size() - before);
    const int error = errno;
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && error == EINTR) continue;
    if (count < 0) {
      throw IoError(fmt::format("{}: cannot be read: {}", path.string(), errno_message(error)));
    }
    if (count == 0) break;
  }
  return text;
}

}  // namespace sd
