#include "kernels/finish_rows.h"
#include "kernels/gemm_tables.h"
#include "kernels/gemm_tile.h"
#include "kernels/vec_plain.h"

namespace sd::kernels {
namespace {

/// Pairs of bf16 as the wider instruction sets take them: what their packing is tested with.
struct PlainPairStep {
  using A = uint16_t;
  using B = uint16_t;
  using V = Plain::V;
  struct Pair {
    V even, odd;
  };
  static constexpr int kDepth = 2;
  SD_VEC Pair left(const char* a) {
    const auto* pair = reinterpret_cast<const uint16_t*>(a);
    return {Plain::set(widened(pair[0])), Plain::set(widened(pair[1]))};
  }
  SD_VEC Pair right(const B* b) {
    Pair pair{};
    for (int i = 0; i < Plain::kLanes; ++i) {
      pair.even[i] = widened(b[2 * i]);
      pair.odd[i] = widened(b[2 * i + 1]);
    }
    return pair;
  }
  SD_VEC V fma(const Pair& a, const Pair& b, V sum) {
    return Plain::fma(a.odd, b.odd, Plain::fma(a.even, b.even, sum));
  }

 private:
  SD_VEC float widened(uint16_t bits) {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16U);
  }
};

}  // namespace

GemmTable gemm_plain() {
  return {
      .floats = make_micro<Plain, FloatStep<Plain, float>, 4, 2>(),
      .bf16_weights = make_micro<Plain, FloatStep<Plain, uint16_t>, 4, 2>(),
      .int8_weights = make_micro<Plain, FloatStep<Plain, int8_t>, 4, 2>(),
      .bf16_pairs = make_micro<Plain, PlainPairStep, 4, 2>(),
  };
}

Widen widen_plain() { return &widen<Plain>; }

Finish finish_plain() { return &finish_with<Plain>; }

}  // namespace sd::kernels
