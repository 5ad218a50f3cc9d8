#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace sd::cuda {

// Values of 16 bytes at a time, as floats.

template <typename T>
inline constexpr int kWide = 16 / sizeof(T);

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

__device__ inline void from_float(float x, float& y) { y = x; }
__device__ inline void from_float(float x, __half& y) { y = __float2half_rn(x); }
__device__ inline void from_float(float x, __nv_bfloat16& y) { y = __float2bfloat16_rn(x); }

template <typename T>
__device__ inline void load(const T* at, float (&values)[kWide<T>]) {
  const uint4 raw = *reinterpret_cast<const uint4*>(at);
  const T* const parts = reinterpret_cast<const T*>(&raw);
#pragma unroll
  for (int i = 0; i < kWide<T>; ++i) values[i] = to_float(parts[i]);
}

template <typename T>
__device__ inline void store(T* at, const float (&values)[kWide<T>]) {
  uint4 raw;
  T* const parts = reinterpret_cast<T*>(&raw);
#pragma unroll
  for (int i = 0; i < kWide<T>; ++i) from_float(values[i], parts[i]);
  *reinterpret_cast<uint4*>(at) = raw;
}

/// Adds what lies at `at`, or nothing where there is nothing.
template <typename T>
__device__ inline void add_from(const T* at, float (&values)[kWide<T>]) {
  if (at == nullptr) return;
  float more[kWide<T>];
  load(at, more);
#pragma unroll
  for (int i = 0; i < kWide<T>; ++i) values[i] += more[i];
}

/// x / (1 + e^-x); in half precision by the fast instructions, whose error is far below its own.
template <typename T>
__device__ inline float silu(float x) {
  if constexpr (sizeof(T) == 4) return x / (1.0F + expf(-x));
  return __fdividef(x, 1.0F + __expf(-x));
}

__device__ inline float gelu(float x) { return 0.5F * x * (1.0F + erff(x * 0.70710678118654752F)); }

}  // namespace sd::cuda
