#include "kernels/gemm_tables.h"

#include <array>

namespace sd::kernels {
namespace {

using Tables = std::array<GemmTable, 5>;

const Tables& tables() {
  static const Tables all = [] {
    Tables each;
    each.fill(gemm_plain());
#if defined(__x86_64__)
    // Only addresses and shapes: nothing of these files runs before its instructions are known.
    const auto take = [&](Isa from, const GemmTable& table) {
      for (auto i = static_cast<std::size_t>(from); i < each.size(); ++i) {
        const auto pairs = table.bf16_pairs.rows > 0 ? table.bf16_pairs : each[i].bf16_pairs;
        each[i] = table;
        each[i].bf16_pairs = pairs;
      }
    };
    take(Isa::kAvx2, gemm_avx2());
    take(Isa::kAvx512, gemm_avx512());
    for (const auto isa : {Isa::kAvx512Bf16, Isa::kAmxBf16}) {
      each[static_cast<std::size_t>(isa)].bf16_pairs = gemm_avx512_bf16_pairs();
    }
    each[static_cast<std::size_t>(Isa::kAmxBf16)].bf16_pairs = gemm_amx_pairs();
#endif
    return each;
  }();
  return all;
}

}  // namespace

const GemmMicro& gemm_micro(Isa isa, Operands operands) {
  const auto& table = tables()[static_cast<std::size_t>(isa)];
  switch (operands) {
    case Operands::kFloats:
      return table.floats;
    case Operands::kBf16Weights:
      return table.bf16_weights;
    case Operands::kInt8Weights:
      return table.int8_weights;
    case Operands::kBf16Pairs:
    case Operands::kInt8Pairs:
      break;
  }
  return table.bf16_pairs;
}

Widen widen_for(Isa isa) {
#if defined(__x86_64__)
  if (has_bf16_units(isa)) return widen_avx512_bf16();
#endif
  static_cast<void>(isa);
  return widen_plain();
}

bool has_bf16_units(Isa isa) { return isa >= Isa::kAvx512Bf16; }

}  // namespace sd::kernels
