#include <array>

#include "kernels/attention_micro.h"

namespace sd::kernels {
namespace {

using Micros = std::array<AttentionMicro, 5>;

const Micros& micros() {
  static const Micros all = [] {
    Micros each;
    each.fill(attention_plain());
#if defined(__x86_64__)
    // Only addresses: nothing of these files runs before its instructions are known.
    const auto at = [&](Isa isa) -> AttentionMicro& { return each[static_cast<std::size_t>(isa)]; };
    at(Isa::kAvx2) = attention_avx2();
    at(Isa::kAvx512) = attention_avx512();
    at(Isa::kAvx512Bf16) = attention_avx512();
    add_avx512_bf16(at(Isa::kAvx512Bf16));
    at(Isa::kAmxBf16) = at(Isa::kAvx512Bf16);
#endif
    return each;
  }();
  return all;
}

}  // namespace

const AttentionMicro& attention_micro(Isa isa, Operands operands) {
  const bool plain = operands == Operands::kBf16Pairs && !has_bf16_units(isa);
  return micros()[plain ? 0 : static_cast<std::size_t>(isa)];
}

}  // namespace sd::kernels
