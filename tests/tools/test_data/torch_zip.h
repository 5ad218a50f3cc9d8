#pragma once

#include <string>
#include <string_view>

#include "support/byte_writer.h"

namespace sd::test {

/// A zip archive byte for byte as torch.save writes it: nothing compressed, every entry's bytes at
/// a multiple of 64, sizes behind the bytes, both kinds of end records.
class TorchZip {
 public:
  explicit TorchZip(std::string folder) : folder_(std::move(folder)) {}
  void add(std::string_view name, std::string_view contents);
  /// Call once, behind the last entry.
  std::string finish();

 private:
  std::string folder_;
  ByteWriter files_, directory_;
  uint64_t count_ = 0;
};

}  // namespace sd::test
