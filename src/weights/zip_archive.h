#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/name_index.h"

namespace sd {

/// One file of an archive.
struct ZipEntry {
  std::string name;
  bool deflated = false;       // else stored as it is
  uint32_t crc = 0;            // CRC-32 of the unpacked bytes
  uint64_t size = 0;           // unpacked
  uint64_t header_offset = 0;  // of the local header in the archive
  std::span<const std::byte>
      packed;  // its bytes in the archive; with `deflated` false these are the file itself
};

/// The directory of a zip archive (PKWARE APPNOTE 6.3, zip64 included) over bytes that somebody
/// else keeps alive. Everything is checked when it is opened: the local header of each entry
/// against the directory, offsets against the archive, and that no two entries overlap. Neither
/// encryption nor archives in several parts are read.
class ZipArchive {
 public:
  static constexpr uint64_t kMaxEntries = 200'000;
  static constexpr uint64_t kMaxInflated = uint64_t{1} << 30;  // bytes of one deflated storage

  /// `label` begins every message. Throws CheckpointError.
  ZipArchive(std::span<const std::byte> archive, std::string label);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// Null if there is no such entry.
  const ZipEntry* find(std::string_view name) const;

  /// The unpacked bytes of a deflated entry in memory of their own, `most` of them. Throws
  /// CheckpointError if they are more, which is seen before memory is taken, if they are damaged or
  /// do not have the size or checksum that the directory names.
  std::shared_ptr<const std::vector<std::byte>> inflate(const ZipEntry& entry,
                                                        uint64_t most = kMaxInflated) const;

  /// Compares the CRC-32 of `unpacked` with the directory. Throws CheckpointError.
  void check_crc(const ZipEntry& entry, std::span<const std::byte> unpacked) const;

 private:
  struct Directory {
    uint64_t entries = 0;
    uint64_t size = 0;
    uint64_t offset = 0;
  };

  Directory find_directory() const;
  Directory read_zip64_end(uint64_t locator_offset) const;
  void read_directory(const Directory& directory);
  void check_local_header(ZipEntry& entry, uint64_t packed_size, uint64_t directory_offset) const;
  void check_overlaps() const;
  [[noreturn]] void fail(const std::string& message) const;

  std::span<const std::byte> archive_;
  std::string label_;
  std::vector<ZipEntry> entries_;
  NameIndex index_;
};

}  // namespace sd
