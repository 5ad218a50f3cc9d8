#include "sd/core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "core/posix_file.h"
#include "sd/core/error.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_write_error(const fs::path& path, int error) {
  const char* hint = error == ENOSPC || error == EDQUOT
                         ? "\n    The disk is full: free some space, or choose another folder."
                         : "";
  throw IoError(
      fmt::format("{}: cannot be written: {}{}", path.string(), errno_message(error), hint));
}

[[noreturn]] void throw_exists(const fs::path& path) {
  throw IoError(fmt::format("{}: exists already and is not overwritten", path.string()));
}

/// A new empty file in `folder` with a name that nobody else has, and its descriptor: -1 with errno
/// set if that failed.
std::pair<fs::path, int> create_unique(const fs::path& folder) {
  static std::atomic<uint64_t> counter{0};
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // The clock tells apart containers that share a folder and have equal process ids.
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    fs::path path =
        folder / fmt::format(".sd-{}-{}-{:x}.tmp", ::getpid(), counter.fetch_add(1), now);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return {std::move(path), fd};
    if (errno != EEXIST) break;
  }
  return {fs::path(), -1};
}

/// A file beside the target, removed again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : TemporaryFile(target, create(target)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  /// Writes everything and brings it to the disk.
  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw_write_error(target_, errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    // EINVAL and ENOTSUP: this file system has nothing to sync.
    if (::fsync(fd_.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
      throw_write_error(target_, errno);
    }
    if (fd_.close() != 0) throw_write_error(target_, errno);
  }

  void rename_over_target() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) throw_write_error(target_, errno);
    path_.clear();
  }

  /// As above, but fails if the target exists, even if another process made it a moment ago.
  void rename_to_new_target() {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) {
      path_.clear();
      return;
    }
    if (errno == EEXIST) throw_exists(target_);
    // Old kernels and some network file systems lack the flag; a hard link refuses an existing name
    // as well.
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) throw_write_error(target_, errno);
    if (::link(path_.c_str(), target_.c_str()) == 0)
      return;  // the destructor takes the other name away
    if (errno == EEXIST) throw_exists(target_);
    // FAT knows neither: a look and a rename is the best there is.
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(target_, ignored))) throw_exists(target_);
    rename_over_target();
  }

 private:
  TemporaryFile(fs::path target, std::pair<fs::path, int> created)
      : target_(std::move(target)), path_(std::move(created.first)), fd_(created.second) {}

  static std::pair<fs::path, int> create(const fs::path& target) {
    auto created = create_unique(target.parent_path());
    if (created.second >= 0) return created;
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
      throw IoError(
          fmt::format("{}: cannot be written: its folder does not exist", target.string()));
    }
    throw_write_error(target, error);
  }

  fs::path target_;
  fs::path path_;
  FileDescriptor fd_;
};

/// The new name in the folder reaches the disk too; best effort, as the file itself is complete.
void sync_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) ::fsync(fd.get());
}

/// Follows links to the file that is to be replaced; refuses what is no file, as renaming over
/// /dev/null would.
fs::path resolve_overwritten(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return path;
  const fs::path target = fs::canonical(path, error);
  if (error) {
    throw IoError(
        fmt::format("{}: cannot be overwritten: {}", path.string(),
                    fs::is_symlink(path) ? "a symbolic link to nowhere" : error.message()));
  }
  if (!fs::is_regular_file(target, error)) {
    throw IoError(fmt::format("{}: cannot be overwritten: not a regular file", path.string()));
  }
  return target;
}

}  // namespace

void write_file(const fs::path& path, std::span<const std::byte> bytes, bool overwrite) {
  if (!path.has_filename()) {
    throw IoError(fmt::format("'{}': cannot be written: no file name", path.string()));
  }
  const fs::path target = overwrite ? resolve_overwritten(path) : path;
  TemporaryFile file(target);
  file.write(bytes);
  if (overwrite) {
    file.rename_over_target();
  } else {
    file.rename_to_new_target();
  }
  sync_folder_of(target);
}

void make_writable_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty()) throw IoError("cannot make a folder with an empty name");
  fs::create_directories(folder, error);
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored)) {
    throw IoError(fmt::format("{}: expected a folder, found a file", folder.string()));
  }
  if (error) {
    throw IoError(
        fmt::format("{}: the folder cannot be made: {}", folder.string(), error.message()));
  }
  const auto [probe, fd] = create_unique(folder);
  const int open_error = errno;
  const FileDescriptor owner(fd);
  if (fd < 0) {
    throw IoError(fmt::format("{}: no files can be written in this folder: {}", folder.string(),
                              errno_message(open_error)));
  }
  ::unlink(probe.c_str());
}

}  // namespace sd
