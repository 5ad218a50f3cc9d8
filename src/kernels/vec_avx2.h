// AVX2 with FMA as the kernels see it. Only files that are compiled for it include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/inline.h"

namespace sd::kernels {

/// Operations as in vec_avx512.h.
struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 16;
  using V = __m256;
  using M = __m256;

  SD_VEC V zero() { return _mm256_setzero_ps(); }
  SD_VEC V set(float x) { return _mm256_set1_ps(x); }
  SD_VEC V load(const float* p) { return _mm256_loadu_ps(p); }
  SD_VEC void store(float* p, V v) { _mm256_storeu_ps(p, v); }
  SD_VEC V load_n(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  SD_VEC void store_n(float* p, V v, int n) { _mm256_maskstore_ps(p, first(n), v); }

  SD_VEC V load(const uint16_t* p) {
    return widened(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  SD_VEC V load_n(const uint16_t* p, int n) {
    alignas(16) uint16_t lanes[kLanes] = {};
    for (int i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  SD_VEC void store(uint16_t* p, V v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrowed(v));
  }
  SD_VEC void store_n(uint16_t* p, V v, int n) {
    alignas(16) uint16_t lanes[kLanes];
    store(lanes, v);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
  }
  SD_VEC void load_pairs(const uint16_t* p, V& first, V& second) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    first = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
    second = _mm256_castsi256_ps(
        _mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0xffff0000U))));
  }
  SD_VEC V load(const int8_t* p) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }

  SD_VEC V add(V a, V b) { return _mm256_add_ps(a, b); }
  SD_VEC V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  SD_VEC V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  SD_VEC V div(V a, V b) { return _mm256_div_ps(a, b); }
  SD_VEC V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  SD_VEC V min(V a, V b) { return _mm256_min_ps(a, b); }
  SD_VEC V max(V a, V b) { return _mm256_max_ps(a, b); }
  SD_VEC V abs(V a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a); }
  SD_VEC M less(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  SD_VEC V select(M m, V yes, V no) { return _mm256_blendv_ps(no, yes, m); }
  SD_VEC V round(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  /// In two halves, so that the powers themselves stay normal for −252 ≤ n ≤ 254.
  SD_VEC V scale_by_power(V a, V n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return mul(mul(a, power(half)), power(_mm256_sub_epi32(whole, half)));
  }
  SD_VEC float sum(V a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  SD_VEC float largest(V a) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }

  SD_VEC void transpose(V (&rows)[kLanes]) {
    V pairs[kLanes], fours[kLanes];
#pragma GCC unroll 4
    for (int i = 0; i < kLanes; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < kLanes; i += 4) {
      for (int half = 0; half < 2; ++half) {
        fours[i + 2 * half] = _mm256_shuffle_ps(pairs[i + half], pairs[i + half + 2], 0x44);
        fours[i + 2 * half + 1] = _mm256_shuffle_ps(pairs[i + half], pairs[i + half + 2], 0xee);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
      rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
  }

 private:
  SD_VEC __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  SD_VEC V power(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  SD_VEC V widened(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  SD_VEC __m128i narrowed(V v) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i kept = _mm256_srli_epi32(_mm256_blendv_epi8(up, quiet, nan), 16);
    const __m256i packed = _mm256_packus_epi32(kept, kept);  // each half for itself
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
  }
};

}  // namespace sd::kernels
