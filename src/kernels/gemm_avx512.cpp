#include "kernels/finish_rows.h"
#include "kernels/gemm_tables.h"
#include "kernels/gemm_tile.h"
#include "kernels/vec_avx512.h"

namespace sd::kernels {

// 28 sums, two columns' vectors and one element of a row: 31 of 32 registers.
GemmTable gemm_avx512() {
  return {
      .floats = make_micro<Avx512, FloatStep<Avx512, float>, 14, 2>(),
      .bf16_weights = make_micro<Avx512, FloatStep<Avx512, uint16_t>, 14, 2>(),
      .int8_weights = make_micro<Avx512, FloatStep<Avx512, int8_t>, 14, 2>(),
      .bf16_pairs = {},
  };
}

Finish finish_avx512() { return &finish_with<Avx512>; }

}  // namespace sd::kernels
