#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "sd/core/error.h"

namespace sd {

/// a * b, or nothing where it leaves 64 bits.
inline std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// a + b, or nothing where it leaves 64 bits.
inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// Elements of a tensor, or nothing where a dimension is negative or the product leaves 63 bits.
inline std::optional<int64_t> checked_elements(std::span<const int64_t> shape) {
  int64_t product = 1;
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return product;
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads little-endian values out of a span, front to back. Every read is checked: one that would
/// leave the span throws CheckpointError "<what>: cut short …".
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string what, uint64_t position = 0)
      : bytes_(bytes), what_(std::move(what)), position_(position) {
    if (position > bytes.size()) fail(0);
  }

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  uint8_t u8() { return little<uint8_t>(); }
  uint16_t u16() { return little<uint16_t>(); }
  uint32_t u32() { return little<uint32_t>(); }
  uint64_t u64() { return little<uint64_t>(); }

  std::span<const std::byte> bytes(uint64_t count) {
    if (count > left()) fail(count);
    const auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }
  std::string_view text(uint64_t count) { return as_text(bytes(count)); }
  void skip(uint64_t count) { bytes(count); }

  /// The text up to the next newline, which is consumed too.
  std::string_view line() {
    const auto rest = as_text(bytes_.subspan(position_));
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) fail(left() + 1);
    position_ += end + 1;
    return rest.substr(0, end);
  }

 private:
  template <typename T>
  T little() {
    const auto part = bytes(sizeof(T));
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>(value | static_cast<T>(std::to_integer<T>(part[i]) << (8 * i)));
    }
    return value;
  }

  [[noreturn]] void fail(uint64_t wanted) const {
    throw CheckpointError(
        fmt::format("{}: cut short or damaged: expected {} bytes from byte {} on, but it ends at "
                    "byte {}",
                    what_, wanted, position_, bytes_.size()));
  }

  std::span<const std::byte> bytes_;
  std::string what_;
  uint64_t position_;
};

}  // namespace sd
