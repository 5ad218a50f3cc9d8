#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "support/byte_writer.h"

namespace sd::test {

/// A half's bits, rounded to the nearest; for magnitudes from 2^-14 to 65504, smaller ones become
/// 0.
inline uint16_t half_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value) + 0x1000u;  // half of the last place that stays
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const int exponent = static_cast<int>(bits >> 23 & 0xffu) - 112;
  if (exponent < 1) return sign;
  return static_cast<uint16_t>(sign | exponent << 10 | (bits >> 13 & 0x3ffu));
}

/// Blocks of 32 values in a quantised type of ggml: 2 Q4_0, 3 Q4_1, 6 Q5_0, 7 Q5_1, 8 Q8_0. Plain
/// rounding between each block's extremes, as good as any for tests of readers.
inline std::string quantise(std::span<const float> values, uint32_t type) {
  constexpr std::size_t kBlock = 32;
  const bool offset = type == 3 || type == 7;
  const int bits = type == 8 ? 8 : type >= 6 ? 5 : 4;
  ByteWriter out;
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, kBlock);
    const auto [least, most] = std::minmax_element(block.begin(), block.end());
    const float largest = std::max(std::abs(*least), std::abs(*most));
    const float middle = offset ? 0.0f : static_cast<float>(1 << (bits - 1));
    const float steps = offset ? static_cast<float>((1 << bits) - 1) : middle - 1;
    const float scale = (offset ? *most - *least : largest) / steps;
    const float zero = offset ? *least : 0.0f;
    uint32_t numbers[kBlock];
    uint64_t fifth = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const float step = scale > 0 ? std::round((block[i] - zero) / scale) : 0.0f;
      numbers[i] = static_cast<uint32_t>(static_cast<int32_t>(step + (bits == 8 ? 0 : middle)));
      fifth |= static_cast<uint64_t>(numbers[i] >> 4 & 1u) << i;
    }
    out.u16(half_bits(scale));
    if (offset) out.u16(half_bits(zero));
    if (bits == 5) out.u32(fifth);
    if (bits == 8) {
      for (const uint32_t number : numbers) out.u8(number & 0xffu);
      continue;
    }
    for (std::size_t i = 0; i < kBlock / 2; ++i)
      out.u8((numbers[i] & 0xfu) | (numbers[i + kBlock / 2] & 0xfu) << 4);
  }
  return out.bytes();
}

}  // namespace sd::test
