#pragma once

#include <cstdint>

#include "kernels/gemm_tables.h"
#include "kernels/isa.h"

namespace sd::kernels {

/// to[column][row] = from[row][column] · factors[column]; a type of two bytes is bf16.
struct TransposeCall {
  const void* from;
  int64_t from_stride;  // elements from row to row
  int64_t rows, columns;
  void* to;
  int64_t to_stride;
  const float* factors = nullptr;  // null: all 1
};

/// One block of keys of one panel: logits become 2^(logit · factor − shift), where shift is the
/// largest exponent so far.
struct ExponentialsCall {
  float* logits;  // [keys][panel's queries], changed in place where not `pairs` alone are wanted
  int64_t keys;
  float factor;
  float* shift;  // [queries], of the blocks before: replaced
  float* decay;  // [queries]: 2^(old shift − new shift)
  void* pairs;   // of bf16: [(keys + 1) / 2][queries][2], may be where the logits are
  bool keep;     // of bf16: keep float32 in place too, and pairs elsewhere
};

/// What attention does between products, for panels as wide as a micro-kernel's. `width` is a
/// panel's number of queries.
struct AttentionMicro {
  int width;
  void (*floats_transposed)(const TransposeCall&);
  void (*bf16_transposed)(const TransposeCall&);
  void (*bf16_as_floats_transposed)(const TransposeCall&);
  void (*floats_as_bf16_transposed)(const TransposeCall&);
  void (*bf16_as_floats)(const uint16_t* from, float* to, int64_t count);
  void (*exponentials)(const ExponentialsCall&);
  void (*exponential_pairs)(const ExponentialsCall&);
  /// Neighbouring rows of a panel [rows][width] become pairs of bf16; may be in place.
  void (*paired)(const float* rows, int64_t count, void* pairs);
  /// to = to · factors + from for rows of a panel; factors are a row too.
  void (*folded)(float* to, const float* factors, const float* from, int64_t rows);
  /// to += from · factors.
  void (*added)(float* to, const float* factors, const float* from, int64_t rows);
  /// to += Σ over rows of from · factors: a row.
  void (*rows_summed)(float* to, const float* factors, const float* from, int64_t rows);
  /// to[row] += Σ over a row of from · factors.
  void (*columns_summed)(float* to, const float* factors, const float* from, int64_t rows);
};

// One file each, compiled for its instruction set: call none but through attention_micro.
AttentionMicro attention_plain();
AttentionMicro attention_avx2();
AttentionMicro attention_avx512();
/// attention_avx512() with pairs.
void add_avx512_bf16(AttentionMicro& micro);

/// What goes with gemm_micro(isa, operands).
const AttentionMicro& attention_micro(Isa isa, Operands operands);

}  // namespace sd::kernels
