#pragma once

#include <optional>
#include <string_view>

namespace sd {

/// What products are made of.
enum class FmaType { kF32, kBF16 };

/// How many billion floating-point operations a second a CPU does at most.
struct FmaLimit {
  double gflops = 0;
  std::string_view by;  // the instructions: "AVX-512", "AVX512-BF16"
};

/// The limit of `threads` cores, measured: independent multiply-adds on registers alone, without
/// memory, with the widest vector instructions that this CPU has; the best of a few trials of
/// `seconds` each, since other programs take cores away. Nothing for bf16 on a CPU without
/// AVX512-BF16. AMX is not measured: where a CPU has it, products in bf16 can be faster than this.
std::optional<FmaLimit> measure_fma_limit(FmaType type, int threads, double seconds = 0.05);

}  // namespace sd
