#pragma once

#include "kernels/gemm_micro.h"
#include "kernels/isa.h"

namespace sd::kernels {

/// What sides of a product are made of. Sums are float32 in all of them.
enum class Operands {
  kFloats,       // float32 by float32
  kBf16Weights,  // float32 by bf16, which is widened
  kInt8Weights,  // float32 by whole numbers of 8 bits, which are widened
  kBf16Pairs,    // bf16 by bf16
  kInt8Pairs,    // bf16 by whole numbers of 8 bits, which are widened a panel at a time
};

/// Whether the rows of a product are bf16, taken in pairs.
constexpr bool takes_pairs(Operands operands) {
  return operands == Operands::kBf16Pairs || operands == Operands::kInt8Pairs;
}

/// Writes `count` whole numbers of 8 bits as bf16, which holds all of them; a multiple of 16.
using Widen = void (*)(const int8_t* from, uint16_t* to, int64_t count);

/// The micro-kernels of one instruction set; one with rows = 0 is absent.
struct GemmTable {
  GemmMicro floats, bf16_weights, int8_weights, bf16_pairs;
};

// One file each, compiled for its instruction set: call none but through gemm_micro.
GemmTable gemm_plain();
Widen widen_plain();
Widen widen_avx512_bf16();
GemmTable gemm_avx2();
GemmTable gemm_avx512();
GemmMicro gemm_avx512_bf16_pairs();
GemmMicro gemm_amx_pairs();

/// The micro-kernel for these operands with the instructions of `isa`, or of the next plainer one
/// that has it.
const GemmMicro& gemm_micro(Isa isa, Operands operands);

/// What widens with the instructions of `isa`.
Widen widen_for(Isa isa);

/// Whether bf16 is multiplied by instructions made for it: the reason to keep activations in bf16.
bool has_bf16_units(Isa isa);

}  // namespace sd::kernels
