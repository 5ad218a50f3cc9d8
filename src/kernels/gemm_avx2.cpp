#include "kernels/finish_rows.h"
#include "kernels/gemm_tables.h"
#include "kernels/gemm_tile.h"
#include "kernels/vec_avx2.h"

namespace sd::kernels {

// 12 sums, two columns' vectors and one element of a row: 15 of 16 registers.
GemmTable gemm_avx2() {
  return {
      .floats = make_micro<Avx2, FloatStep<Avx2, float>, 6, 2>(),
      .bf16_weights = make_micro<Avx2, FloatStep<Avx2, uint16_t>, 6, 2>(),
      .int8_weights = make_micro<Avx2, FloatStep<Avx2, int8_t>, 6, 2>(),
      .bf16_pairs = {},
  };
}

Finish finish_avx2() { return &finish_with<Avx2>; }

}  // namespace sd::kernels
