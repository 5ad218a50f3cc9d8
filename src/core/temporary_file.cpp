#include "core/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "sd/core/error.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = ".sd-";
constexpr std::string_view kSuffix = ".tmp";
constexpr std::string_view kUnlocked = "none";  // in place of the system's start
constexpr std::size_t kStartDigits = 12;
constexpr int kAttempts = 100;  // at a name that is free
constexpr std::chrono::hours kAbandoned{24 * 7};

enum class Lock { kHeld, kTaken, kUnknown };

/// Which start of which system this is: containers on one machine have the same.
const std::string& system_start() {
  static const std::string start = [] {
    try {
      auto text = read_start("/proc/sys/kernel/random/boot_id", 64);
      std::erase_if(text, [](char c) { return (c < '0' || c > '9') && (c < 'a' || c > 'f'); });
      if (text.size() >= kStartDigits) return text.substr(0, kStartDigits);
    } catch (const IoError&) {
      // No /proc here: names then count as another machine's.
    }
    return std::string(kUnlocked);
  }();
  return start;
}

fs::path unique_name(const fs::path& folder, std::string_view start) {
  static std::atomic<uint64_t> counter{0};
  // The clock tells apart containers that share a folder and have equal process ids.
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return folder / fmt::format("{}{}-{}-{}-{:x}{}", kPrefix, start, ::getpid(), counter.fetch_add(1),
                              now, kSuffix);
}

/// Locks a byte far behind the end of a file, so that it can be read where locks keep others from
/// what they cover; a folder as a whole.
Lock lock(int fd, bool is_folder) {
  int failed = 0;
  if (is_folder) {
    failed = ::flock(fd, LOCK_EX | LOCK_NB);
  } else {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = int64_t{1} << 50;
    range.l_len = 1;
    failed = ::fcntl(fd, F_OFD_SETLK, &range);
  }
  if (failed == 0) return Lock::kHeld;
  return errno == EWOULDBLOCK || errno == EACCES ? Lock::kTaken : Lock::kUnknown;
}

/// Whether `path` still names what `fd` was opened from.
bool is_at(const fs::path& path, int fd) {
  struct stat there {};
  struct stat opened {};
  return ::lstat(path.c_str(), &there) == 0 && ::fstat(fd, &opened) == 0 &&
         there.st_dev == opened.st_dev && there.st_ino == opened.st_ino;
}

/// -1 with errno set if that failed.
int create(const fs::path& path, bool is_folder) {
  if (!is_folder) return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (::mkdir(path.c_str(), 0777) != 0) return -1;
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void take_away(const fs::path& path, bool is_folder) {
  std::error_code ignored;
  if (is_folder) {
    fs::remove_all(path, ignored);
  } else {
    ::unlink(path.c_str());
  }
}

Temporary make_temporary(const fs::path& folder, bool is_folder) {
  std::string_view start = system_start();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto path = unique_name(folder, start);
    FileDescriptor fd(create(path, is_folder));
    if (fd.get() < 0 && errno == EEXIST) continue;
    if (fd.get() < 0) {
      const int error = errno;
      if (is_folder) ::rmdir(path.c_str());
      // A sweep may have met the new folder before it was opened.
      if (is_folder && error == ENOENT &&
          ::access(folder.empty() ? "." : folder.c_str(), F_OK) == 0)
        continue;
      errno = error;
      break;
    }
    const auto locked = lock(fd.get(), is_folder);
    // A sweep may have come between the two: what it holds, or has removed, is given up.
    if (locked == Lock::kHeld && is_at(path, fd.get())) return {std::move(path), std::move(fd)};
    if (locked == Lock::kUnknown && start == kUnlocked) return {std::move(path), std::move(fd)};
    if (locked == Lock::kUnknown) start = kUnlocked;  // no locks here, which the name must tell
    take_away(path, is_folder);
    errno = EAGAIN;
  }
  return {fs::path(), FileDescriptor(-1)};
}

/// Which start of a system a name is of; empty for a name that is not ours.
std::string start_in(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) ||
      name.size() <= kPrefix.size() + kSuffix.size()) {
    return {};
  }
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  const auto first = name.substr(0, name.find('-'));
  const auto numbers = name.starts_with(kUnlocked) ? name.substr(kUnlocked.size()) : name;
  const auto dashes = std::count(name.begin(), name.end(), '-');
  if (numbers.find_first_not_of("0123456789abcdef-") != std::string_view::npos) return {};
  // Earlier versions' names had two dashes and did not tell.
  if (dashes == 2) return std::string(kUnlocked);
  return dashes == 3 ? std::string(first) : std::string();
}

/// When something was last written to it, or to anything in it.
fs::file_time_type last_written(const fs::path& path, bool is_folder) {
  std::error_code ignored;
  auto latest = fs::last_write_time(path, ignored);
  if (!is_folder) return latest;
  for (fs::recursive_directory_iterator entry(path, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    std::error_code gone;
    const auto time = entry->last_write_time(gone);
    if (!gone) latest = std::max(latest, time);
  }
  return latest;
}

void sweep_one(const fs::path& path, std::string_view start) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  const bool is_folder = S_ISDIR(status.st_mode);
  if (!is_folder && !S_ISREG(status.st_mode)) return;
  const bool ours = start == system_start() && start != kUnlocked;
  if (!ours && fs::file_time_type::clock::now() - last_written(path, is_folder) < kAbandoned)
    return;
  const int flags = is_folder ? O_RDONLY | O_DIRECTORY : O_WRONLY;
  const FileDescriptor fd(::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0 || lock(fd.get(), is_folder) != Lock::kHeld) return;
  // Held while it goes, so that a process that made it a moment ago notices. One that finished
  // it a moment ago has given it another name.
  if (is_at(path, fd.get())) take_away(path, is_folder);
}

}  // namespace

Temporary make_temporary_file(const fs::path& folder) { return make_temporary(folder, false); }

Temporary make_temporary_folder(const fs::path& folder) { return make_temporary(folder, true); }

void sweep_temporaries(const fs::path& folder) {
  static std::mutex mutex;
  static std::set<std::string> swept;
  const fs::path place = folder.empty() ? fs::path(".") : folder;
  {
    const std::lock_guard guard(mutex);
    if (!swept.insert(place.string()).second) return;
  }
  std::vector<std::pair<fs::path, std::string>> found;
  std::error_code error;
  for (fs::directory_iterator entry(place, error), end; !error && entry != end;
       entry.increment(error)) {
    auto start = start_in(entry->path().filename().string());
    if (!start.empty()) found.emplace_back(entry->path(), std::move(start));
  }
  for (const auto& [path, start] : found) sweep_one(path, start);
}

}  // namespace sd
