#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace sd {

/// A file that appears under its name whole or not at all: written piece by piece under a temporary
/// name in the same folder, and gone with this object unless it was committed. What a killed
/// process left under such a name is removed by the next one that writes in that folder. Every
/// function throws IoError (folder missing, not writable, disk full).
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path, bool overwrite = false);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Brings everything to the disk; from here on it can be read back.
  void finish();
  /// Gives the finished file its name. Without `overwrite` an existing one is an error, even if
  /// another process made it a moment ago.
  void commit();

  /// Where it lies until then.
  const std::filesystem::path& temporary() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same for a folder with everything in it; an existing one is never replaced.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// The folder to write into; its files must have reached the disk before the commit.
  const std::filesystem::path& temporary() const;
  void commit();
  /// Gives it another name than it was begun for, in the same file system.
  void commit_as(const std::filesystem::path& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes `bytes` to `path` so that no reader ever sees half a file: a temporary name in the same
/// folder, fsync, rename. With `overwrite` false an existing file is an error. Throws IoError
/// (folder missing, not writable, disk full); the temporary file is removed then.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes,
                bool overwrite = false);

/// Makes `folder` with its parents and proves that files can be written in it. Throws IoError.
void make_writable_folder(const std::filesystem::path& folder);

/// Throws IoError if something has this name already, be it a link to nowhere.
void require_new(const std::filesystem::path& path);

}  // namespace sd
