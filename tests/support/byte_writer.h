#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sd::test {

/// Little-endian values one behind the other.
class ByteWriter {
 public:
  ByteWriter& u8(uint64_t value) { return little(value, 1); }
  ByteWriter& u16(uint64_t value) { return little(value, 2); }
  ByteWriter& u32(uint64_t value) { return little(value, 4); }
  ByteWriter& u64(uint64_t value) { return little(value, 8); }
  ByteWriter& text(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  ByteWriter& little(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }

  std::string bytes_;
};

}  // namespace sd::test
