#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace sd {

/// A whole file mapped read-only. Tensors that wrap its bytes hold the shared pointer, so it lives
/// as long as they do. A file that shrinks while mapped raises SIGBUS on access: readers check
/// every offset against size() once, at open.
class MappedFile {
 public:
  /// Maps `path`. Throws IoError if it is missing, a folder, unreadable, or a link to nowhere.
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

 private:
  MappedFile(std::filesystem::path path, const std::byte* begin, std::size_t size);

  std::filesystem::path path_;
  const std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sd
