#pragma once

#include <unistd.h>

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
  /// Closes now; returns what close(2) returns, since some file systems report a failed write only
  /// there.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

/// "Permission denied" and the like, thread-safe.
std::string errno_message(int error);

/// Opens a regular file for reading, without waiting if it is a FIFO. Throws IoError that says what
/// `path` is instead: missing, a link to nowhere, a folder, a FIFO, a device, not readable.
FileDescriptor open_regular_file(const std::filesystem::path& path);

}  // namespace sd
