// What attention does between products. Included by one file for each instruction set, each of
// which names its own type `I`: one of vec_*.h with two more operations.
//   V power<kDegree>(V x): 2^x for x ≤ 1 or so; −∞ gives 0 and NaN NaN.
//   void store_pairs(uint16_t* to, V first, V second): both rounded to bf16, by turns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/attention_micro.h"
#include "kernels/inline.h"

namespace sd::kernels {

constexpr int kPanelVectors = 2;
// Degrees of polynomials: bf16 keeps 8 bits of what the lower one gives.
constexpr int kExact = 5, kForBf16 = 4;

/// 2^x for 0 ≤ x ≤ 1, exactly 1 for 0: within 1.5e-7 of itself by the fifth degree, 3e-6 by the
/// fourth (weighted least-squares fits).
template <class I, int kDegree>
SD_VEC typename I::V power_of_fraction(typename I::V x) {
  static_assert(kDegree == 4 || kDegree == 5);
  constexpr float kFifth[] = {0.001867130515165627F, 0.009017029777169228F, 0.05579991266131401F,
                              0.24016444385051727F, 0.6931512951850891F};
  constexpr float kFourth[] = {0.013426687568426132F, 0.0522424690425396F, 0.2412802129983902F,
                               0.6930448412895203F};
  const float* factors = kDegree == 5 ? kFifth : kFourth;
  auto p = I::set(factors[0]);
#pragma GCC unroll 4
  for (int i = 1; i < kDegree; ++i) p = I::fma(p, x, I::set(factors[i]));
  return I::fma(p, x, I::set(1.0F));
}

/// `power` for instruction sets without operations made for it.
template <class I, int kDegree>
SD_VEC typename I::V power_of_two(typename I::V x) {
  const auto held = I::max(I::set(-160.0F), x);  // keeps NaN
  const auto whole = I::round(I::sub(held, I::set(0.5F)));
  return I::scale_by_power(power_of_fraction<I, kDegree>(I::sub(held, whole)), whole);
}

template <class I, bool kWhole, typename From, typename To>
SD_VEC void transpose_square(const From* from, int64_t from_stride, To* to, int64_t to_stride,
                             const float* factors, int wide, int high) {
  typename I::V square[I::kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < I::kLanes; ++i) {
    square[i] = kWhole ? I::load(from + i * from_stride)
                       : I::load_n(from + i * from_stride, i < high ? wide : 0);
  }
  if (factors != nullptr) {
    const auto each = I::load_n(factors, wide);
#pragma GCC unroll 16
    for (int i = 0; i < I::kLanes; ++i) square[i] = I::mul(square[i], each);
  }
  I::transpose(square);
#pragma GCC unroll 16
  for (int i = 0; i < I::kLanes; ++i) {
    if constexpr (kWhole) {
      I::store(to + i * to_stride, square[i]);
    } else if (i < wide) {
      I::store_n(to + i * to_stride, square[i], high);
    }
  }
}

template <class I, typename From, typename To>
void transpose_rows(const TransposeCall& call) {
  constexpr int64_t kLanes = I::kLanes;
  const auto* from = static_cast<const From*>(call.from);
  auto* to = static_cast<To*>(call.to);
  for (int64_t row = 0; row < call.rows; row += kLanes) {
    const int high = static_cast<int>(std::min(kLanes, call.rows - row));
    for (int64_t column = 0; column < call.columns; column += kLanes) {
      const int wide = static_cast<int>(std::min(kLanes, call.columns - column));
      const From* square = from + row * call.from_stride + column;
      To* place = to + column * call.to_stride + row;
      const float* factors = call.factors != nullptr ? call.factors + column : nullptr;
      if (wide == kLanes && high == kLanes) {
        transpose_square<I, true>(square, call.from_stride, place, call.to_stride, factors, wide,
                                  high);
      } else {
        transpose_square<I, false>(square, call.from_stride, place, call.to_stride, factors, wide,
                                   high);
      }
    }
  }
}

template <class I>
void widen_row(const uint16_t* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + I::kLanes <= count; i += I::kLanes) I::store(to + i, I::load(from + i));
  const int left = static_cast<int>(count - i);
  if (left > 0) I::store_n(to + i, I::load_n(from + i, left), left);
}

/// The shift that comes with this block, and what it makes of sums under the old one.
template <class I>
SD_VEC void raise_shift(const ExponentialsCall& call, typename I::V (&shift)[kPanelVectors]) {
  using V = typename I::V;
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes, kSide = 4;
  V top[kSide][kPanelVectors];
  for (auto& side : top) {
    for (auto& v : side) v = I::set(-std::numeric_limits<float>::infinity());
  }
  int64_t key = 0;
  // max gives its second where the first is NaN: a NaN is left to the exponentials.
  for (; key + kSide <= call.keys; key += kSide) {
#pragma GCC unroll 4
    for (int s = 0; s < kSide; ++s) {
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVectors; ++v) {
        top[s][v] = I::max(I::load(call.logits + (key + s) * kWidth + v * kLanes), top[s][v]);
      }
    }
  }
  for (; key < call.keys; ++key) {
    for (int v = 0; v < kPanelVectors; ++v) {
      top[0][v] = I::max(I::load(call.logits + key * kWidth + v * kLanes), top[0][v]);
    }
  }
  for (int v = 0; v < kPanelVectors; ++v) {
    const V largest = I::max(I::max(top[0][v], top[1][v]), I::max(top[2][v], top[3][v]));
    const V old = I::load(call.shift + v * kLanes);
    shift[v] = I::max(I::mul(largest, I::set(call.factor)), old);
    I::store(call.shift + v * kLanes, shift[v]);
    I::store(call.decay + v * kLanes, I::template power<kExact>(I::sub(old, shift[v])));
  }
}

template <class I>
void raise_floats(const ExponentialsCall& call) {
  using V = typename I::V;
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  V shift[kPanelVectors];
  raise_shift<I>(call, shift);
  const V factor = I::set(call.factor);
  for (auto& v : shift) v = I::sub(I::zero(), v);
  for (int64_t at = 0; at < call.keys * kWidth; at += kWidth) {
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; ++v) {
      float* place = call.logits + at + v * kLanes;
      I::store(place, I::template power<kExact>(I::fma(I::load(place), factor, shift[v])));
    }
  }
}

template <class I, bool kKeep>
SD_VEC void raise_all_pairs(const ExponentialsCall& call) {
  using V = typename I::V;
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  V shift[kPanelVectors];
  raise_shift<I>(call, shift);
  const V factor = I::set(call.factor);
  for (auto& v : shift) v = I::sub(I::zero(), v);
  auto* pairs = static_cast<uint16_t*>(call.pairs);
  float* logits = call.logits;
  const int64_t whole = call.keys / 2;
  for (int64_t pair = 0; pair < whole; ++pair, logits += 2 * kWidth, pairs += 2 * kWidth) {
    V first[kPanelVectors], second[kPanelVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; ++v) {
      first[v] =
          I::template power<kForBf16>(I::fma(I::load(logits + v * kLanes), factor, shift[v]));
      second[v] = I::template power<kForBf16>(
          I::fma(I::load(logits + kWidth + v * kLanes), factor, shift[v]));
      if constexpr (kKeep) {
        I::store(logits + v * kLanes, first[v]);
        I::store(logits + kWidth + v * kLanes, second[v]);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVectors; ++v) {
      I::store_pairs(pairs + v * 2 * kLanes, first[v], second[v]);
    }
  }
  if (call.keys % 2 == 0) return;
  V last[kPanelVectors];
  for (int v = 0; v < kPanelVectors; ++v) {
    last[v] = I::template power<kForBf16>(I::fma(I::load(logits + v * kLanes), factor, shift[v]));
    if constexpr (kKeep) I::store(logits + v * kLanes, last[v]);
  }
  for (int v = 0; v < kPanelVectors; ++v) {
    I::store_pairs(pairs + v * 2 * kLanes, last[v], I::zero());
  }
}

template <class I>
void raise_pairs(const ExponentialsCall& call) {
  if (call.keep) {
    raise_all_pairs<I, true>(call);
  } else {
    raise_all_pairs<I, false>(call);
  }
}

template <class I>
void pair_rows(const float* rows, int64_t count, void* to) {
  using V = typename I::V;
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  auto* pairs = static_cast<uint16_t*>(to);
  for (int64_t row = 0; row < count; row += 2, rows += 2 * kWidth, pairs += 2 * kWidth) {
    V first[kPanelVectors], second[kPanelVectors];
    for (int v = 0; v < kPanelVectors; ++v) {
      first[v] = I::load(rows + v * kLanes);
      second[v] = row + 1 < count ? I::load(rows + kWidth + v * kLanes) : I::zero();
    }
    for (int v = 0; v < kPanelVectors; ++v) {
      I::store_pairs(pairs + v * 2 * kLanes, first[v], second[v]);
    }
  }
}

template <class I>
void fold_rows(float* to, const float* factors, const float* from, int64_t rows) {
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  for (int64_t at = 0; at < rows * kWidth; at += kLanes) {
    I::store(to + at, I::fma(I::load(to + at), I::load(factors + at % kWidth), I::load(from + at)));
  }
}

template <class I>
void add_rows(float* to, const float* factors, const float* from, int64_t rows) {
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  for (int64_t at = 0; at < rows * kWidth; at += kLanes) {
    I::store(to + at, I::fma(I::load(from + at), I::load(factors + at % kWidth), I::load(to + at)));
  }
}

template <class I>
void sum_rows(float* to, const float* factors, const float* from, int64_t rows) {
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  for (int v = 0; v < kPanelVectors; ++v) {
    auto sum = I::zero();
    for (int64_t row = 0; row < rows; ++row) {
      sum = I::add(sum, I::load(from + row * kWidth + v * kLanes));
    }
    float* place = to + v * kLanes;
    I::store(place, I::fma(sum, I::load(factors + v * kLanes), I::load(place)));
  }
}

template <class I>
void sum_columns(float* to, const float* factors, const float* from, int64_t rows) {
  constexpr int kLanes = I::kLanes, kWidth = kPanelVectors * kLanes;
  for (int64_t row = 0; row < rows; ++row) {
    auto sum = I::zero();
    for (int v = 0; v < kPanelVectors; ++v) {
      sum = I::fma(I::load(from + row * kWidth + v * kLanes), I::load(factors + v * kLanes), sum);
    }
    to[row] += I::sum(sum);
  }
}

template <class I>
AttentionMicro make_attention() {
  AttentionMicro micro{};
  micro.width = kPanelVectors * I::kLanes;
  micro.floats_transposed = &transpose_rows<I, float, float>;
  micro.bf16_transposed = &transpose_rows<I, uint16_t, uint16_t>;
  micro.bf16_as_floats_transposed = &transpose_rows<I, uint16_t, float>;
  micro.floats_as_bf16_transposed = &transpose_rows<I, float, uint16_t>;
  micro.bf16_as_floats = &widen_row<I>;
  micro.exponentials = &raise_floats<I>;
  micro.folded = &fold_rows<I>;
  micro.added = &add_rows<I>;
  micro.rows_summed = &sum_rows<I>;
  micro.columns_summed = &sum_columns<I>;
  return micro;
}

template <class I>
void add_pairs(AttentionMicro& micro) {
  micro.exponential_pairs = &raise_pairs<I>;
  micro.paired = &pair_rows<I>;
}

}  // namespace sd::kernels
