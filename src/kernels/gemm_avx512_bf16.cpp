#include "kernels/finish_rows.h"
#include "kernels/gemm_tables.h"
#include "kernels/gemm_tile.h"
#include "kernels/vec_avx512.h"

namespace sd::kernels {
namespace {

/// Two bf16 a step: VDPBF16PS multiplies pairs and adds both products to a float32 sum.
struct PairStep {
  using A = uint16_t;
  using B = uint16_t;
  using V = __m512;
  static constexpr int kDepth = 2;
  SD_VEC V left(const char* a) {
    return _mm512_castsi512_ps(_mm512_set1_epi32(*reinterpret_cast<const int*>(a)));
  }
  SD_VEC V right(const B* b) { return _mm512_loadu_ps(b); }
  SD_VEC V fma(V a, V b, V sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};

}  // namespace

GemmMicro gemm_avx512_bf16_pairs() { return make_micro<Avx512Bf16, PairStep, 14, 2>(); }

Widen widen_avx512_bf16() { return &widen<Avx512Bf16>; }

Finish finish_avx512_bf16() { return &finish_with<Avx512Bf16>; }

}  // namespace sd::kernels
