// Four floats with nothing but C++: what runs on any CPU.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/inline.h"

namespace sd::kernels {

/// Operations as in vec_avx512.h.
struct Plain {
  static constexpr int kLanes = 4;
  static constexpr int kRegisters = 16;
  typedef float V __attribute__((vector_size(16)));
  typedef int32_t M __attribute__((vector_size(16)));

  SD_VEC V zero() { return set(0.0F); }
  SD_VEC V set(float x) { return V{x, x, x, x}; }
  SD_VEC V load(const float* p) { return V{p[0], p[1], p[2], p[3]}; }
  SD_VEC void store(float* p, V v) { store_n(p, v, kLanes); }
  SD_VEC V load_n(const float* p, int n) {
    V v = zero();
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
  }
  SD_VEC void store_n(float* p, V v, int n) {
    for (int i = 0; i < n; ++i) p[i] = v[i];
  }
  SD_VEC V load(const uint16_t* p) { return load_n(p, kLanes); }
  SD_VEC V load_n(const uint16_t* p, int n) {
    V v = zero();
    for (int i = 0; i < n; ++i) v[i] = std::bit_cast<float>(static_cast<uint32_t>(p[i]) << 16U);
    return v;
  }
  SD_VEC void store(uint16_t* p, V v) { store_n(p, v, kLanes); }
  SD_VEC void store_n(uint16_t* p, V v, int n) {
    for (int i = 0; i < n; ++i) p[i] = narrowed(v[i]);
  }
  SD_VEC void load_pairs(const uint16_t* p, V& first, V& second) {
    first = second = zero();
    for (int i = 0; i < kLanes; ++i) {
      first[i] = std::bit_cast<float>(static_cast<uint32_t>(p[2 * i]) << 16U);
      second[i] = std::bit_cast<float>(static_cast<uint32_t>(p[2 * i + 1]) << 16U);
    }
  }
  SD_VEC V load(const int8_t* p) {
    V v;
    for (int i = 0; i < kLanes; ++i) v[i] = static_cast<float>(p[i]);
    return v;
  }

  SD_VEC V add(V a, V b) { return a + b; }
  SD_VEC V sub(V a, V b) { return a - b; }
  SD_VEC V mul(V a, V b) { return a * b; }
  SD_VEC V div(V a, V b) { return a / b; }
  SD_VEC V fma(V a, V b, V c) { return a * b + c; }
  SD_VEC V min(V a, V b) { return select(a < b, a, b); }
  SD_VEC V max(V a, V b) { return select(a > b, a, b); }
  SD_VEC V abs(V a) { return reinterpret_cast<V>(reinterpret_cast<M>(a) & 0x7fffffff); }
  SD_VEC M less(V a, V b) { return a < b; }
  SD_VEC V select(M m, V yes, V no) {
    return reinterpret_cast<V>((reinterpret_cast<M>(yes) & m) | (reinterpret_cast<M>(no) & ~m));
  }
  SD_VEC V round(V a) {
    V v;
    for (int i = 0; i < kLanes; ++i) v[i] = std::nearbyint(a[i]);
    return v;
  }
  SD_VEC V scale_by_power(V a, V n) {
    V v;
    for (int i = 0; i < kLanes; ++i) {
      v[i] = n[i] == n[i] ? std::ldexp(a[i], static_cast<int>(n[i])) : n[i];
    }
    return v;
  }
  SD_VEC float sum(V a) { return (a[0] + a[2]) + (a[1] + a[3]); }
  SD_VEC float largest(V a) {
    const auto more = [](float x, float y) { return x > y ? x : y; };
    return more(more(a[0], a[2]), more(a[1], a[3]));
  }

  SD_VEC void transpose(V (&rows)[kLanes]) {
    for (int i = 0; i < kLanes; ++i) {
      for (int j = 0; j < i; ++j) {
        const float kept = rows[i][j];
        rows[i][j] = rows[j][i];
        rows[j][i] = kept;
      }
    }
  }

 private:
  SD_VEC uint16_t narrowed(float x) {
    const auto bits = std::bit_cast<uint32_t>(x);
    if (x != x) return static_cast<uint16_t>((bits | 0x400000U) >> 16U);
    return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
  }
};

}  // namespace sd::kernels
