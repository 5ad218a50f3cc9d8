#include "sd/core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "core/posix_file.h"
#include "core/temporary_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_exists(const fs::path& path) {
  throw IoError(fmt::format("{}: exists already and is not overwritten", path.string()));
}

/// Names the part of the path that exists and is no folder. Nothing if every part that exists is a
/// folder.
std::optional<std::string> obstacle_in(const fs::path& folder) {
  if (auto dead = dead_link(folder)) return dead;
  for (auto part = folder; !part.empty(); part = part.parent_path()) {
    struct stat status {};
    if (::stat(part.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) {
      return fmt::format("{} is {}", part.string(), kind_name(status.st_mode));
    }
    if (part == part.parent_path()) break;
  }
  return std::nullopt;
}

[[noreturn]] void throw_create_error(const fs::path& target, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    throw IoError(
        fmt::format("{}: cannot be written: {}", target.string(),
                    obstacle_in(target.parent_path()).value_or("its folder does not exist")));
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
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) {
    throw IoError(
        fmt::format("{}: cannot be overwritten: {}", path.string(), errno_message(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    throw IoError(fmt::format("{}: cannot be overwritten: {}, not a regular file", path.string(),
                              kind_name(status.st_mode)));
  }
  return target;
}

}  // namespace

struct AtomicFile::State {
  fs::path target;
  bool overwrite;
  Temporary temporary;  // its path is empty once it has its name
};

AtomicFile::AtomicFile(const fs::path& path, bool overwrite) {
  if (!path.has_filename()) {
    throw IoError(fmt::format("'{}': cannot be written: no file name", path.string()));
  }
  const fs::path target = overwrite ? resolve_overwritten(path) : path;
  sweep_temporaries(target.parent_path());
  auto temporary = make_temporary_file(target.parent_path());
  if (temporary.path.empty()) throw_create_error(target, errno);
  state_.reset(new State{target, overwrite, std::move(temporary)});
}

AtomicFile::~AtomicFile() {
  const auto& path = state_->temporary.path;
  if (!path.empty()) ::unlink(path.c_str());
}

const fs::path& AtomicFile::temporary() const { return state_->temporary.path; }

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(state_->temporary.fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_write_error(state_->target, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::finish() {
  // EINVAL and ENOTSUP: this file system has nothing to sync.
  const int fd = state_->temporary.fd.get();
  if (::fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) {
    throw_write_error(state_->target, errno);
  }
  // Some file systems report a failed write only when a descriptor is closed; ours stays open, for
  // it keeps the lock until the file has its name.
  if (::close(::dup(fd)) != 0) throw_write_error(state_->target, errno);
}

void AtomicFile::commit() {
  auto& path = state_->temporary.path;
  bool old_name_stays = false;
  if (state_->overwrite) {
    rename_over(path, state_->target);
  } else {
    old_name_stays = rename_to_new(path, state_->target);
  }
  if (old_name_stays) ::unlink(path.c_str());
  path.clear();
  sync_folder_of(state_->target);
}

struct AtomicFolder::State {
  fs::path target;
  Temporary temporary;  // its path is empty once it has its name
};

AtomicFolder::AtomicFolder(const fs::path& path) {
  if (!path.has_filename()) {
    throw IoError(fmt::format("'{}': cannot be written: no folder name", path.string()));
  }
  sweep_temporaries(path.parent_path());
  auto temporary = make_temporary_folder(path.parent_path());
  if (temporary.path.empty()) throw_create_error(path, errno);
  state_.reset(new State{path, std::move(temporary)});
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  const auto& path = state_->temporary.path;
  if (!path.empty()) fs::remove_all(path, ignored);
}

const fs::path& AtomicFolder::temporary() const { return state_->temporary.path; }

void AtomicFolder::commit() { commit_as(state_->target); }

void AtomicFolder::commit_as(const fs::path& path) {
  auto& temporary = state_->temporary.path;
  for (const auto& entry : fs::recursive_directory_iterator(temporary)) {
    if (entry.is_directory()) sync_folder(entry.path());
  }
  sync_folder(temporary);
  rename_to_new(temporary, path);
  temporary.clear();
  sync_folder_of(path);
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
  struct stat status {};
  if (::stat(folder.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) {
    throw IoError(
        fmt::format("{}: expected a folder, found {}", folder.string(), kind_name(status.st_mode)));
  }
  if (error) {
    throw IoError(fmt::format("{}: the folder cannot be made: {}", folder.string(),
                              obstacle_in(folder).value_or(error.message())));
  }
  sweep_temporaries(folder);
  const auto probe = make_temporary_file(folder);
  if (probe.path.empty()) {
    throw IoError(fmt::format("{}: no files can be written in this folder: {}", folder.string(),
                              errno_message(errno)));
  }
  ::unlink(probe.path.c_str());
}

}  // namespace sd
