#include "sd/core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
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

/// A name in `folder` that nobody else has.
fs::path unique_name(const fs::path& folder) {
  static std::atomic<uint64_t> counter{0};
  // The clock tells apart containers that share a folder and have equal process ids.
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return folder / fmt::format(".sd-{}-{}-{:x}.tmp", ::getpid(), counter.fetch_add(1), now);
}

constexpr int kAttempts = 100;  // at a name that is free

/// A new empty file in `folder` with a name that nobody else has, and its descriptor: -1 with errno
/// set if that failed.
std::pair<fs::path, int> create_unique(const fs::path& folder) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fs::path path = unique_name(folder);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return {std::move(path), fd};
    if (errno != EEXIST) break;
  }
  return {fs::path(), -1};
}

[[noreturn]] void throw_create_error(const fs::path& target, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    throw IoError(fmt::format("{}: cannot be written: its folder does not exist", target.string()));
  }
  throw_write_error(target, error);
}

void rename_over(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_write_error(to, errno);
}

/// As above, but fails if the target exists, even if another process made it a moment ago. True if
/// `from` still has its old name too.
bool rename_to_new(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return false;
  }
  if (errno == EEXIST) throw_exists(to);
  // Old kernels and some network file systems lack the flag; a hard link refuses an existing name
  // as well.
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) throw_write_error(to, errno);
  if (::link(from.c_str(), to.c_str()) == 0) return true;
  if (errno == EEXIST) throw_exists(to);
  // FAT has no links, and folders have none anywhere: a look and a rename is the best there is.
  require_new(to);
  rename_over(from, to);
  return false;
}

/// The names in a folder reach the disk too; best effort, as the files themselves are complete.
void sync_folder(const fs::path& folder) {
  const FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) ::fsync(fd.get());
}

void sync_folder_of(const fs::path& path) {
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
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

struct AtomicFile::State {
  State(fs::path wanted, bool replaces, std::pair<fs::path, int> created)
      : target(std::move(wanted)),
        overwrite(replaces),
        path(std::move(created.first)),
        fd(created.second) {}

  fs::path target;
  bool overwrite;
  fs::path path;  // empty once it has its name
  FileDescriptor fd;
};

AtomicFile::AtomicFile(const fs::path& path, bool overwrite) {
  if (!path.has_filename()) {
    throw IoError(fmt::format("'{}': cannot be written: no file name", path.string()));
  }
  const fs::path target = overwrite ? resolve_overwritten(path) : path;
  auto created = create_unique(target.parent_path());
  if (created.second < 0) throw_create_error(target, errno);
  state_ = std::make_unique<State>(target, overwrite, std::move(created));
}

AtomicFile::~AtomicFile() {
  if (!state_->path.empty()) ::unlink(state_->path.c_str());
}

const fs::path& AtomicFile::temporary() const { return state_->path; }

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(state_->fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_write_error(state_->target, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::finish() {
  // EINVAL and ENOTSUP: this file system has nothing to sync.
  if (::fsync(state_->fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    throw_write_error(state_->target, errno);
  }
  if (state_->fd.close() != 0) throw_write_error(state_->target, errno);
}

void AtomicFile::commit() {
  bool old_name_stays = false;
  if (state_->overwrite) {
    rename_over(state_->path, state_->target);
  } else {
    old_name_stays = rename_to_new(state_->path, state_->target);
  }
  if (old_name_stays) ::unlink(state_->path.c_str());
  state_->path.clear();
  sync_folder_of(state_->target);
}

AtomicFolder::AtomicFolder(const fs::path& path) : target_(path) {
  if (!path.has_filename()) {
    throw IoError(fmt::format("'{}': cannot be written: no folder name", path.string()));
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fs::path name = unique_name(path.parent_path());
    if (::mkdir(name.c_str(), 0777) == 0) {
      temporary_ = std::move(name);
      return;
    }
    if (errno != EEXIST) break;
  }
  throw_create_error(path, errno);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(temporary_)) {
    if (entry.is_directory()) sync_folder(entry.path());
  }
  sync_folder(temporary_);
  rename_to_new(temporary_, target_);
  temporary_.clear();
  sync_folder_of(target_);
}

void write_file(const fs::path& path, std::span<const std::byte> bytes, bool overwrite) {
  AtomicFile file(path, overwrite);
  file.write(bytes);
  file.finish();
  file.commit();
}

void require_new(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(path, ignored))) throw_exists(path);
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
