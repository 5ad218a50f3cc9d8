#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>

namespace sd {

/// Owns a file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// "Permission denied" and the like, thread-safe.
std::string errno_message(int error);

/// What a file of this mode (stat's st_mode) is, in words: "a file", "a folder", "a FIFO",
/// "a device", "a socket".
const char* kind_name(mode_t mode);

/// The same of what `path` leads to; "nothing" where that is not there.
const char* kind_of(const std::filesystem::path& path);

/// Throws the IoError of a write to `path` that failed with `error`, with what helps against it.
[[noreturn]] void throw_write_error(const std::filesystem::path& path, int error);

/// Opens a regular file for reading, without waiting if it is a FIFO. Throws IoError that says what
/// `path` is instead: missing, a link to nowhere, a folder, a FIFO, a device, not readable.
FileDescriptor open_regular_file(const std::filesystem::path& path);

/// The first bytes of a regular file, at most `most` of them; opened and refused as above.
std::string read_start(const std::filesystem::path& path, std::size_t most);

}  // namespace sd
