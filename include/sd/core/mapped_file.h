#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sd/core/error.h"

namespace sd {

/// A whole file mapped read-only. Tensors that wrap its bytes hold the shared pointer, so it lives
/// as long as they do. A file that shrinks while mapped raises SIGBUS on access, whatever was
/// checked before: programs call guard_mapped_files, and whoever uses bytes asks a
/// MappedFilesWatch whether they held still.
class MappedFile {
 public:
  /// Maps `path`. Throws IoError if it is missing, a folder, unreadable, or a link to nowhere;
  /// OutOfMemory if there is no room for it.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {begin_, size_}; }
  std::size_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

  /// Tells the kernel that `range` (a part of bytes()) has been copied elsewhere and its pages may
  /// go now.
  void drop(std::span<const std::byte> range) const;

  /// How the file differs from what was mapped, naming it: it was cut, written over, or could not
  /// be read from its disk. None while it is the same.
  std::optional<std::string> change() const;

 private:
  class Mapping;
  MappedFile(std::filesystem::path path, std::unique_ptr<Mapping> mapping);

  std::filesystem::path path_;
  std::unique_ptr<Mapping> mapping_;
  const std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

/// Tells whether mapped files have changed since they were mapped. It looks at all files that are
/// mapped when it is asked, and at files that were mapped since it was made. Weights of two models
/// must not make one picture.
class MappedFilesWatch {
 public:
  MappedFilesWatch();

  /// What happened to the first file that changed.
  std::optional<std::string> change() const;
  /// Throws IoError saying that.
  void require_unchanged() const;

 private:
  uint64_t since_;
};

/// Does `work`, which reads mapped files. Throws IoError naming one that changed meanwhile,
/// whatever else came of the work.
template <typename Work>
auto with_files_unchanged(const Work& work) {
  const MappedFilesWatch files;
  try {
    auto result = work();
    files.require_unchanged();
    return result;
  } catch (const Cancelled&) {
    throw;
  } catch (const Error&) {
    files.require_unchanged();
    throw;
  }
}

/// From now on a page of a mapped file that the file no longer has reads as zeros, and
/// MappedFile::change says so, where the process would have ended by SIGBUS. Faults elsewhere go to
/// the handler that was there before. For programs; a library leaves signals alone.
void guard_mapped_files();

}  // namespace sd
