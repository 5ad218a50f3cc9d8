#include "core/posix_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd {
namespace {

const char* kind_name(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

std::string open_failure(const std::filesystem::path& path, int error) {
  if (error == ENOENT) {
    if (auto dead = dead_link(path)) return std::move(*dead);
    return fmt::format("{}: no such file", path.string());
  }
  if (error == ENXIO) return fmt::format("{}: expected a file, found a socket", path.string());
  return fmt::format("{}: cannot be read: {}", path.string(), errno_message(error));
}

}  // namespace

std::string errno_message(int error) { return std::generic_category().message(error); }

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

}  // namespace sd
