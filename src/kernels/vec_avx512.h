// AVX-512 as the kernels see it. Only files that are compiled for it include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/inline.h"

namespace sd::kernels {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kRegisters = 32;
  using V = __m512;
  using M = __mmask16;

  SD_VEC V zero() { return _mm512_setzero_ps(); }
  SD_VEC V set(float x) { return _mm512_set1_ps(x); }
  SD_VEC V load(const float* p) { return _mm512_loadu_ps(p); }
  SD_VEC void store(float* p, V v) { _mm512_storeu_ps(p, v); }

  /// The first n lanes, 0 ≤ n ≤ kLanes; what lies behind is neither read (0 instead) nor written.
  SD_VEC V load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  SD_VEC void store_n(float* p, V v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }

  /// bf16 in memory, as its 16 bits; widened exactly, rounded to nearest with ties to even. NaNs
  /// stay.
  SD_VEC V load(const uint16_t* p) {
    return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  SD_VEC V load_n(const uint16_t* p, int n) {
    return widened(_mm256_maskz_loadu_epi16(first(n), p));
  }
  SD_VEC void store(uint16_t* p, V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrowed(v));
  }
  SD_VEC void store_n(uint16_t* p, V v, int n) {
    _mm256_mask_storeu_epi16(p, first(n), narrowed(v));
  }
  /// Pairs of bf16 side by side: the first ones and the second ones.
  SD_VEC void load_pairs(const uint16_t* p, V& first, V& second) {
    const __m512i bits = _mm512_loadu_si512(p);
    first = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
    second = _mm512_castsi512_ps(
        _mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
  }
  /// Whole numbers of 8 bits as floats.
  SD_VEC V load(const int8_t* p) {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }

  SD_VEC V add(V a, V b) { return _mm512_add_ps(a, b); }
  SD_VEC V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  SD_VEC V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  SD_VEC V div(V a, V b) { return _mm512_div_ps(a, b); }
  SD_VEC V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  /// The second where the first is NaN.
  SD_VEC V min(V a, V b) { return _mm512_min_ps(a, b); }
  SD_VEC V max(V a, V b) { return _mm512_max_ps(a, b); }
  SD_VEC V abs(V a) { return _mm512_abs_ps(a); }
  SD_VEC M less(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  SD_VEC V select(M m, V yes, V no) { return _mm512_mask_blend_ps(m, no, yes); }
  SD_VEC V round(V a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  /// a · 2^n for whole n; subnormal and infinite results are right.
  SD_VEC V scale_by_power(V a, V n) { return _mm512_scalef_ps(a, n); }
  SD_VEC float sum(V a) { return _mm512_reduce_add_ps(a); }
  SD_VEC float largest(V a) { return _mm512_reduce_max_ps(a); }

  /// Row i becomes column i.
  SD_VEC void transpose(V (&rows)[kLanes]) {
    V pairs[kLanes], fours[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; i += 2) {
      pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kLanes; i += 4) {
      for (int half = 0; half < 2; ++half) {
        const __m512d a = _mm512_castps_pd(pairs[i + half]);
        const __m512d b = _mm512_castps_pd(pairs[i + half + 2]);
        fours[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
        fours[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {  // fours[4 g + i]: columns i, i + 4, i + 8, i + 12 of 4 rows
      const V a = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0x88);
      const V b = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0x88);
      const V c = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0xdd);
      const V d = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0xdd);
      rows[i] = _mm512_shuffle_f32x4(a, b, 0x88);
      rows[i + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
      rows[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
      rows[i + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
    }
  }

 protected:
  SD_VEC __mmask16 first(int n) { return static_cast<__mmask16>((1U << n) - 1U); }
  SD_VEC V widened(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  SD_VEC __m256i narrowed(V v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(nan, up, quiet), 16));
  }
};

#ifdef __AVX512BF16__
/// With the CPU's own rounding to bf16 (it takes subnormal numbers for zero).
struct Avx512Bf16 : Avx512 {
  using Avx512::store;
  using Avx512::store_n;
  SD_VEC void store(uint16_t* p, V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  }
  SD_VEC void store_n(uint16_t* p, V v, int n) {
    _mm256_mask_storeu_epi16(p, first(n), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  }
};
#endif

}  // namespace sd::kernels
