// Functions over a vector of floats, in the operations that every instruction set has.
#pragma once

#include "kernels/inline.h"

namespace sd::kernels {

/// e^x within 2 units in the last place (Cephes' expf). Below −104 it is 0, above 89 infinite; NaN
/// gives NaN. `I` is one of the vec_*.h.
template <class I>
SD_VEC typename I::V exponential(typename I::V x) {
  // The order of the arguments keeps NaN: min and max give their second where one is NaN.
  const auto held = I::min(I::set(89.0F), I::max(I::set(-104.0F), x));
  const auto n = I::round(I::mul(held, I::set(1.44269504088896341F)));
  auto r = I::fma(n, I::set(-0.693359375F), held);  // ln 2 in two parts
  r = I::fma(n, I::set(2.12194440e-4F), r);
  auto p = I::set(1.9875691500e-4F);
  p = I::fma(p, r, I::set(1.3981999507e-3F));
  p = I::fma(p, r, I::set(8.3334519073e-3F));
  p = I::fma(p, r, I::set(4.1665795894e-2F));
  p = I::fma(p, r, I::set(1.6666665459e-1F));
  p = I::fma(p, r, I::set(5.0000001201e-1F));
  return I::scale_by_power(I::add(I::fma(p, I::mul(r, r), r), I::set(1.0F)), n);
}

/// 1 / (1 + e^(−x)).
template <class I>
SD_VEC typename I::V sigmoid(typename I::V x) {
  return I::div(I::set(1.0F), I::add(I::set(1.0F), exponential<I>(I::sub(I::zero(), x))));
}

/// x Φ(x) = x/2 · erfc(−x/√2) within 2e-7 of |x| (Abramowitz and Stegun, 7.1.26).
template <class I>
SD_VEC typename I::V gelu(typename I::V x) {
  const auto z = I::mul(I::abs(x), I::set(0.70710678118654752F));
  const auto t = I::div(I::set(1.0F), I::fma(I::set(0.3275911F), z, I::set(1.0F)));
  auto p = I::set(1.061405429F);
  p = I::fma(p, t, I::set(-1.453152027F));
  p = I::fma(p, t, I::set(1.421413741F));
  p = I::fma(p, t, I::set(-0.284496736F));
  p = I::fma(p, t, I::set(0.254829592F));
  const auto squared = I::sub(I::zero(), I::mul(z, z));
  const auto tail = I::mul(I::mul(I::set(0.5F), I::mul(p, t)), exponential<I>(squared));  // Φ(−|x|)
  return I::mul(x, I::select(I::less(x, I::zero()), tail, I::sub(I::set(1.0F), tail)));
}

}  // namespace sd::kernels
