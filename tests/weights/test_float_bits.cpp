#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "weights/float_bits.h"

namespace sd {
namespace {

/// The number of 16 bits from the format's definition: (-1)^s · 2^(e - bias) · 1.m, or
/// 2^(1 - bias) · 0.m where e is 0.
double value_of(HalfFormat format, int bits) {
  const int mantissa = bits & ((1 << format.mantissa_bits) - 1);
  const int exponent = (bits & 0x7fff) >> format.mantissa_bits;
  const double scaled = exponent == 0 ? mantissa : mantissa + (1 << format.mantissa_bits);
  const double magnitude =
      std::ldexp(scaled, std::max(exponent, 1) - format.bias() - format.mantissa_bits);
  return bits & 0x8000 ? -magnitude : magnitude;
}

void expect_all_values_widen(HalfFormat format) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float widened = widen(format, static_cast<uint16_t>(bits));
    const int magnitude = bits & 0x7fff;
    if (magnitude > format.infinity()) {
      ASSERT_TRUE(std::isnan(widened)) << bits;
    } else if (magnitude == format.infinity()) {
      ASSERT_TRUE(std::isinf(widened)) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(widened), value_of(format, bits)) << bits;
    }
    ASSERT_EQ(std::signbit(widened), bits > 0x7fff) << bits;
  }
}

constexpr float kMost = std::numeric_limits<float>::max();

/// Rounding changes only at the midpoints between neighbours, so all of them with the floats and
/// doubles on both sides are every case there is.
void expect_all_values_round(HalfFormat format) {
  const auto round = [&](double value) { return int{round_to(format, value)}; };
  for (const int sign : {0, 0x8000}) {
    for (int low = 0; low < format.infinity(); ++low) {
      const double value = value_of(format, sign | low);
      ASSERT_EQ(round(value), sign | low);
      // Above the largest lies what would be the next number, were there one: it is infinity.
      const double above = value_of(format, sign | (low + 1));
      const double middle = (value + above) / 2;
      const int even = sign | (low + (low & 1));
      const float as_float = static_cast<float>(middle);
      ASSERT_EQ(static_cast<double>(as_float), middle);
      ASSERT_EQ(round(middle), even) << low;
      ASSERT_EQ(round(std::nextafter(middle, value)), sign | low) << low;
      ASSERT_EQ(round(std::nextafter(middle, above)), sign | (low + 1)) << low;
      ASSERT_EQ(round(std::nextafter(as_float, 0.0f)), sign | low) << low;
      ASSERT_EQ(round(std::nextafter(as_float, sign == 0 ? kMost : -kMost)), sign | (low + 1));
    }
  }
}

TEST(FloatBits, EveryHalfWidensToItsValue) { expect_all_values_widen(kBinary16); }
TEST(FloatBits, EveryBFloat16WidensToItsValue) { expect_all_values_widen(kBFloat16); }
TEST(FloatBits, HalvesRoundToNearestEvenEverywhere) { expect_all_values_round(kBinary16); }
TEST(FloatBits, BFloat16sRoundToNearestEvenEverywhere) { expect_all_values_round(kBFloat16); }

TEST(FloatBits, ABFloat16IsTheUpperHalfOfAFloat) {
  // PyTorch's rule: add 0x7fff and the lowest bit that stays, then cut.
  for (uint64_t upper = 0; upper < 0x10000; ++upper) {
    for (const uint64_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const auto bits = static_cast<uint32_t>(upper << 16 | lower);
      const float value = std::bit_cast<float>(bits);
      if (std::isnan(value)) continue;
      const auto expected = static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
      ASSERT_EQ(round_to(kBFloat16, value), expected) << bits;
    }
  }
}

TEST(FloatBits, SpecialsStaySpecial) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(round_to(kBinary16, infinity), 0x7c00);
  EXPECT_EQ(round_to(kBinary16, -infinity), 0xfc00);
  EXPECT_EQ(round_to(kBinary16, nan), 0x7e00);
  EXPECT_EQ(round_to(kBFloat16, -nan), 0xffc0);
  EXPECT_EQ(round_to(kBinary16, 65519.996), 0x7bff);  // the last that rounds to 65504
  EXPECT_EQ(round_to(kBinary16, 65520), 0x7c00);
  EXPECT_EQ(round_to(kBinary16, -0.0), 0x8000);
  EXPECT_EQ(round_to(kBFloat16, std::numeric_limits<double>::denorm_min()), 0);
}

}  // namespace
}  // namespace sd
