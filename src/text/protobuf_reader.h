#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sd/core/error.h"

namespace sd {

/// One field of a protobuf message (protobuf.dev, "Encoding"): a number for wire types 0, 1 and 5,
/// bytes for type 2.
struct ProtobufField {
  uint64_t number = 0;
  unsigned type = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

/// Reads the fields of a message one by one. Throws CheckpointError "<label>: …" for what is cut
/// short or no message.
class ProtobufReader {
 public:
  ProtobufReader(std::string_view message, std::string label)
      : rest_(message), label_(std::move(label)) {}

  /// The next field, or nothing at the end.
  std::optional<ProtobufField> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t key = varint();
    ProtobufField field;
    field.number = key >> 3U;
    field.type = static_cast<unsigned>(key & 7U);
    if (field.number == 0) fail();
    switch (field.type) {
      case kVarint:
        field.value = varint();
        break;
      case kFixed64:
        field.value = fixed(8);
        break;
      case kBytes:
        field.bytes = take(varint());
        break;
      case kFixed32:
        field.value = fixed(4);
        break;
      default:
        fail();
    }
    return field;
  }

  static constexpr unsigned kVarint = 0;
  static constexpr unsigned kFixed64 = 1;
  static constexpr unsigned kBytes = 2;
  static constexpr unsigned kFixed32 = 5;

 private:
  [[noreturn]] void fail() const {
    throw CheckpointError(label_ + ": cut short or damaged, no protobuf message");
  }

  std::string_view take(uint64_t count) {
    if (count > rest_.size()) fail();
    const auto part = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(part.size());
    return part;
  }

  uint64_t varint() {
    constexpr unsigned kMostBits = 63;
    uint64_t value = 0;
    for (unsigned shift = 0; shift <= kMostBits; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  uint64_t fixed(std::size_t count) {
    uint64_t value = 0;
    const auto part = take(count);
    for (std::size_t i = 0; i < count; ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(part[i])) << (8 * i);
    }
    return value;
  }

  std::string_view rest_;
  std::string label_;
};

}  // namespace sd
