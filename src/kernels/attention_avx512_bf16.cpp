#include "kernels/attention_avx512.h"

namespace sd::kernels {
namespace {

struct Vec : Avx512Bf16 {
  template <int kDegree>
  SD_VEC V power(V x) {
    return power_of_two_avx512<kDegree>(x);
  }
  SD_VEC void store_pairs(uint16_t* to, V first, V second) {
    // Lane i of the first lies in 16 bits i, of the second in 16 + i: they are to lie side by side.
    const __m512i turns =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const auto halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(turns, halves));
  }
};

}  // namespace

void add_avx512_bf16(AttentionMicro& micro) { add_pairs<Vec>(micro); }

}  // namespace sd::kernels
