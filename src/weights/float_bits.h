#pragma once

#include <bit>
#include <cstdint>

namespace sd {

/// A 16-bit floating-point format: sign, exponent, mantissa.
struct HalfFormat {
  int mantissa_bits = 10;
  int exponent_bits = 5;

  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  constexpr uint16_t infinity() const {
    return static_cast<uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits);
  }
};
inline constexpr HalfFormat kBinary16{10, 5};  // IEEE 754
inline constexpr HalfFormat kBFloat16{7, 8};   // the upper half of a binary32

/// Rounds to nearest, ties to even (IEEE 754-2019, 4.3.1); what is too large becomes infinite, NaNs
/// become one quiet NaN with their sign. Exact for floats given as doubles: there is one rounding.
constexpr uint16_t round_to(HalfFormat format, double value) {
  constexpr int kMantissa = 52, kBias = 1023;
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 63 << 15);
  const int exponent = static_cast<int>(bits >> kMantissa & 0x7ff) - kBias;
  const uint64_t fraction = bits & ((uint64_t{1} << kMantissa) - 1);
  const auto signed_bits = [sign](uint64_t magnitude) {
    return static_cast<uint16_t>(sign | magnitude);
  };
  if (exponent == kBias + 1 && fraction != 0) {
    return signed_bits(format.infinity() | uint64_t{1} << (format.mantissa_bits - 1));
  }
  if (exponent > format.bias()) return signed_bits(format.infinity());

  const int least = 1 - format.bias();  // exponent of the smallest normal number
  const bool normal = exponent >= least;
  const int dropped = kMantissa - format.mantissa_bits + (normal ? 0 : least - exponent);
  if (dropped > kMantissa + 1) return signed_bits(0);  // below half of the smallest number
  const uint64_t mantissa = uint64_t{1} << kMantissa | fraction;
  const uint64_t rest = mantissa & ((uint64_t{1} << dropped) - 1);
  const uint64_t half = uint64_t{1} << (dropped - 1);
  uint64_t magnitude = mantissa >> dropped;
  if (rest > half || (rest == half && (magnitude & 1) != 0)) ++magnitude;
  // A normal's hidden one counts as an exponent of one; a carry may run on into the exponent.
  if (normal) {
    magnitude += static_cast<uint64_t>(exponent - least) << format.mantissa_bits;
  }
  return signed_bits(magnitude);
}

/// The number that 16 bits stand for; exact.
constexpr float widen(HalfFormat format, uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31;
  const uint32_t magnitude = bits & 0x7fffu;
  const uint32_t mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
  const int exponent = static_cast<int>(magnitude >> format.mantissa_bits);
  const int shift = 23 - format.mantissa_bits;
  if (magnitude >= format.infinity()) {
    return std::bit_cast<float>(sign | 0x7f800000u | mantissa << shift);
  }
  if (exponent == 0 && format.exponent_bits < 8) {
    // Subnormal here, normal in a float: mantissa · 2^(1 - bias - mantissa_bits).
    const float unit = std::bit_cast<float>(
        static_cast<uint32_t>(1 - format.bias() - format.mantissa_bits + 127) << 23);
    const float value = static_cast<float>(mantissa) * unit;
    return sign != 0 ? -value : value;
  }
  const auto rebased = static_cast<uint32_t>(exponent - format.bias() + 127);
  return std::bit_cast<float>(sign | rebased << 23 | mantissa << shift);
}

}  // namespace sd
