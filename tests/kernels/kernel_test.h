// What tests of kernels share: every instruction set that this CPU has, values, and bf16 by its
// bits.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace sd::kernels {

inline std::vector<Isa> isas_here() {
  std::vector<Isa> isas;
  for (const auto isa : compiled_isas()) {
    if (runs_here(isa)) isas.push_back(isa);
  }
  return isas;
}

inline std::string test_name(const testing::TestParamInfo<Isa>& info) {
  std::string name(name_of(info.param));
  for (auto& letter : name) letter = letter == '-' ? '_' : letter;
  return name;
}

/// A test for each instruction set that this CPU has.
class EachIsa : public testing::TestWithParam<Isa> {};

inline std::vector<float> random_values(std::size_t count, unsigned seed, float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (auto& value : values) value = normal(generator);
  return values;
}

inline float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16U);
}

inline uint16_t to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

inline std::vector<uint16_t> to_bf16(const std::vector<float>& values) {
  std::vector<uint16_t> bits;
  for (const float value : values) bits.push_back(to_bf16(value));
  return bits;
}

/// The values that are left of float32 in bf16.
inline std::vector<float> through_bf16(std::vector<float> values) {
  for (auto& value : values) value = from_bf16(to_bf16(value));
  return values;
}

}  // namespace sd::kernels
