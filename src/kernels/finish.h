#pragma once

#include <cstdint>

#include "kernels/isa.h"

namespace sd::kernels {

enum class Activation {
  kNone,
  kSilu,       // x / (1 + e^(−x))
  kGelu,       // x Φ(x)
  kQuickGelu,  // x / (1 + e^(−1.702 x)), CLIP's
  kGated,      // a · gelu(b) of a panel's two halves (arXiv:2002.05202)
};

/// What is done to sums before they are stored: f(sum · scale + bias) + residual, rounded once.
struct FinishCall {
  const float* sums;  // [rows][..], a panel's columns side by side
  int64_t sums_stride;
  int64_t rows;
  int64_t columns;       // that are stored, of kGated half of the panel's
  int64_t half;          // of kGated: where b begins in a row of sums
  const float* scale;    // a factor for each column of the panel, or null
  const float* bias;     // for each column of the panel, or null
  const void* residual;  // as out, or null
  int64_t residual_stride;
  void* out;  // float32 or bf16
  int64_t out_stride;
  bool bf16;  // what out and residual are
  Activation activation;
};

using Finish = void (*)(const FinishCall&);

// One file each, compiled for its instruction set: call none but through finish_for.
Finish finish_plain();
Finish finish_avx2();
Finish finish_avx512();
Finish finish_avx512_bf16();

/// The function with the instructions of `isa`.
Finish finish_for(Isa isa);

}  // namespace sd::kernels
