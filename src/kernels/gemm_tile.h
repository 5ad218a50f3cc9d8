// The product of a few rows with one panel of packed columns, in registers: what everything that
// multiplies matrices is made of. Included by one file for each instruction set.
#pragma once

#include <cstdint>

#include "kernels/gemm_micro.h"
#include "kernels/inline.h"

namespace sd::kernels {

// How elements of both sides meet. Each is a pair of types, the depth that one step takes, and what
// a step does.

/// float32 by float32, bf16 or whole numbers of 8 bits, which widen as they are loaded.
template <class I, typename Weight>
struct FloatStep {
  using A = float;
  using B = Weight;
  using V = typename I::V;
  static constexpr int kDepth = 1;
  SD_VEC V left(const char* a) { return I::set(*reinterpret_cast<const float*>(a)); }
  SD_VEC V right(const B* b) { return I::load(b); }
  SD_VEC V fma(V a, V b, V sum) { return I::fma(a, b, sum); }
};

/// C [R × kPanels·lanes] (+)= A B for one panel, R rows held in registers. The rows' addresses are
/// kept three rows to a register: p, p + stride, p + 2·stride.
template <class I, class Step, int R, int kVectors>
__attribute__((noinline)) void multiply_rows(const TileCall& call) {
  using V = typename I::V;
  constexpr int kColumns = kVectors * I::kLanes;
  constexpr int kBases = (R + 2) / 3;
  constexpr int kUnrolled = 4;
  V sum[R][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = call.accumulate ? I::load(call.c + r * call.c_stride + v * I::kLanes) : I::zero();
    }
  }
  const auto* b = static_cast<const typename Step::B*>(call.b);
  int64_t stride = call.a_stride;
  const auto step = [&](const char* const* row, int64_t at, const typename Step::B* columns)
      __attribute__((always_inline)) {
    decltype(Step::right(columns)) right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      right[v] = Step::right(columns + v * I::kLanes * Step::kDepth);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto left = Step::left(row[r / 3] + (r % 3) * stride + at);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Step::fma(left, right[v], sum[r][v]);
    }
  };
  constexpr int64_t kBytes = Step::kDepth * sizeof(typename Step::A);
  constexpr int64_t kPanelStep = kColumns * Step::kDepth;
  for (int64_t tap = 0; tap < call.taps; ++tap) {
    const char* row[kBases];
    const char* first =
        static_cast<const char*>(call.a) + (call.tap_offsets ? call.tap_offsets[tap] : 0);
#pragma GCC unroll 16
    for (int g = 0; g < kBases; ++g) row[g] = first + 3 * g * stride;
    int64_t left = call.depth;
    for (; left >= kUnrolled; left -= kUnrolled) {
      // Keeps the compiler from holding an address of every row in memory.
#pragma GCC unroll 16
      for (int g = 0; g < kBases; ++g) asm volatile("" : "+r"(row[g]));
      asm volatile("" : "+r"(stride), "+r"(b));
#pragma GCC unroll 4
      for (int u = 0; u < kUnrolled; ++u) step(row, u * kBytes, b + u * kPanelStep);
#pragma GCC unroll 16
      for (int g = 0; g < kBases; ++g) row[g] += kUnrolled * kBytes;
      b += kUnrolled * kPanelStep;
    }
    for (; left > 0; --left) {
      step(row, 0, b);
#pragma GCC unroll 16
      for (int g = 0; g < kBases; ++g) row[g] += kBytes;
      b += kPanelStep;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      I::store(call.c + r * call.c_stride + v * I::kLanes, sum[r][v]);
    }
  }
}

template <class I>
void widen(const int8_t* from, uint16_t* to, int64_t count) {
  for (int64_t i = 0; i < count; i += I::kLanes) I::store(to + i, I::load(from + i));
}

/// The micro-kernel of a kind of step: kRows rows (as many as registers hold) by kVectors vectors.
template <class I, class Step, int kRows, int kVectors>
GemmMicro make_micro() {
  static_assert(kRows <= GemmMicro::kMostRows);
  GemmMicro micro{kRows, kVectors * I::kLanes, Step::kDepth, {}};
  const auto fill = [&]<int... kRow>(std::integer_sequence<int, kRow...>) {
    ((micro.multiply[kRow + 1] = &multiply_rows<I, Step, kRow + 1, kVectors>), ...);
  };
  fill(std::make_integer_sequence<int, kRows>());
  return micro;
}

}  // namespace sd::kernels
