#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sd {

using ByteSpan = std::span<const std::byte>;

/// The `count` bytes at `offset`, or nothing if the span ends before.
inline std::optional<ByteSpan> slice(ByteSpan bytes, std::size_t offset, std::size_t count) {
  if (offset > bytes.size() || count > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, count);
}

/// The unsigned number of `count` (1 to 4) bytes at `offset`, or nothing if the span ends before.
inline std::optional<uint32_t> read_unsigned(ByteSpan bytes, std::size_t offset, std::size_t count,
                                             bool big_endian) {
  const auto field = slice(bytes, offset, count);
  if (!field) return std::nullopt;
  uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value = value << 8 | std::to_integer<uint32_t>((*field)[big_endian ? i : count - 1 - i]);
  }
  return value;
}

inline std::string_view text_of(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace sd
