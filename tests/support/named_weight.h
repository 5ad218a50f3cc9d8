#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/float_bits.h"

namespace sd::test {

inline uint64_t fnv1a(std::string_view text) {
  uint64_t value = 0xCBF29CE484222325;
  for (const char c : text) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return value;
}

inline uint64_t splitmix64(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/// The values that tests/tools/family_weights.py draws for that name: half precision's, so that
/// they are the same in either.
inline std::vector<float> named_weight(const std::string& name, const std::vector<int64_t>& shape) {
  int64_t count = 1, fan_in = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    count *= shape[i];
    if (i > 0) fan_in *= shape[i];
  }
  double offset = 0, scale = std::sqrt(3.0 / static_cast<double>(fan_in));
  if (shape.size() < 2) {
    const bool bias = name.ends_with("bias");
    offset = bias ? 0.0 : 1.0;
    scale = bias ? 0.1 : 0.2;
  } else if (name.find("embedding") != std::string::npos) {
    scale = 0.5;
  }
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(count));
  uint64_t state = fnv1a(name);
  for (int64_t i = 0; i < count; ++i) {
    const double uniform = static_cast<double>(splitmix64(state) >> 40) / 0x1p23 - 1.0;
    const auto value = static_cast<float>(offset + scale * uniform);
    values.push_back(widen(kBinary16, round_to(kBinary16, value)));
  }
  return values;
}

}  // namespace sd::test
