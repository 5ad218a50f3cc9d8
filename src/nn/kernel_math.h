// What plain loops over channels are made of. The compiler turns such loops into vector code, once
// for each kind of CPU.
#pragma once

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#define SD_FOR_EACH_CPU \
  __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#define SD_INLINE inline __attribute__((always_inline))

namespace sd::kernel_math {

SD_INLINE float load(const float* at) { return *at; }
SD_INLINE float load(const c10::BFloat16* at) {
  return std::bit_cast<float>(static_cast<uint32_t>(at->x) << 16);
}
SD_INLINE void store(float* at, float value) { *at = value; }
SD_INLINE void store(c10::BFloat16* at, float value) {
  const auto bits = std::bit_cast<uint32_t>(value);  // rounds to nearest, ties to even
  at->x = static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// e^x within 2 units in the last place (Cephes' expf), in operations that all vector units have.
SD_INLINE float exponential(float x) {
  x = std::min(88.0F, std::max(-87.0F, x));
  const float scaled = x * 1.44269504088896341F;
  const auto whole = static_cast<int32_t>(scaled + (scaled < 0 ? -0.5F : 0.5F));
  const auto n = static_cast<float>(whole);
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  return (p * r * r + r + 1.0F) * std::bit_cast<float>((whole + 127) << 23);
}

SD_INLINE float sigmoid(float x) { return 1.0F / (1.0F + exponential(-x)); }

}  // namespace sd::kernel_math
