// 2^x in AVX-512. Only files that are compiled for it include this.
#pragma once

#include "kernels/attention_tile.h"
#include "kernels/vec_avx512.h"

namespace sd::kernels {

/// VREDUCEPS leaves what is above the next lower whole number, 0 of −∞; VSCALEFPS multiplies with
/// 2 to that number.
template <int kDegree>
SD_VEC __m512 power_of_two_avx512(__m512 x) {
  constexpr int kToLower = 0x01;
  return _mm512_scalef_ps(power_of_fraction<Avx512, kDegree>(_mm512_reduce_ps(x, kToLower)), x);
}

}  // namespace sd::kernels
