#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sd::test {

/// One entry to write. What is set on purpose to something else than the truth makes an archive
/// that lies.
struct ZipFile {
  std::string name;
  std::string contents;
  bool deflate = false;
  bool sizes_follow = false;             // as PyTorch writes: the local header has no sizes
  std::optional<uint64_t> claimed_size;  // in the directory
  std::optional<uint32_t> claimed_crc;
  std::optional<uint64_t> claimed_offset;  // of the local header
  std::optional<std::string> local_name;   // in the local header
  uint16_t method = 0xffff;                // 0xffff: by `deflate`
  uint16_t flags = 0;                      // besides the one for sizes_follow
};

struct ZipOptions {
  bool zip64 = false;  // sizes and offsets in zip64 fields, with the zip64 end record
  std::string comment;
};

/// The bytes of a zip archive.
std::string write_zip(const std::vector<ZipFile>& files, const ZipOptions& options = {});

}  // namespace sd::test
