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
};

/// The micro-kernels of one instruction set; one with rows = 0 is absent.
struct GemmTable {
  GemmMicro floats, bf16_weights, int8_weights, bf16_pairs;
};

// One file each, compiled for its instruction set: call none but through gemm_micro.
GemmTable gemm_plain();
GemmTable gemm_avx2();
GemmTable gemm_avx512();
GemmMicro gemm_avx512_bf16_pairs();
GemmMicro gemm_amx_pairs();

/// The micro-kernel for these operands with the instructions of `isa`, or of the next plainer one
/// that has it.
const GemmMicro& gemm_micro(Isa isa, Operands operands);

/// Whether bf16 is multiplied by instructions made for it: the reason to keep activations in bf16.
bool has_bf16_units(Isa isa);

}  // namespace sd::kernels
