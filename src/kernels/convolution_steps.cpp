#include "kernels/convolution_steps.h"

#include <array>

namespace sd::kernels {

const ConvSteps& conv_steps(Isa isa) {
  static const std::array<ConvSteps, 5> all = [] {
    std::array<ConvSteps, 5> each;
    each.fill(conv_steps_plain());
#if defined(__x86_64__)
    const auto put = [&](Isa at, const ConvSteps& steps) {
      each[static_cast<std::size_t>(at)] = steps;
    };
    put(Isa::kAvx2, conv_steps_avx2());
    put(Isa::kAvx512, conv_steps_avx512());
    put(Isa::kAvx512Bf16, conv_steps_avx512_bf16());
    put(Isa::kAmxBf16, conv_steps_avx512_bf16());
#endif
    return each;
  }();
  return all[static_cast<std::size_t>(isa)];
}

}  // namespace sd::kernels
