#include "kernels/finish.h"

namespace sd::kernels {

Finish finish_for(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::kPlain:
      break;
    case Isa::kAvx2:
      return finish_avx2();
    case Isa::kAvx512:
      return finish_avx512();
    case Isa::kAvx512Bf16:
    case Isa::kAmxBf16:
      return finish_avx512_bf16();
  }
#else
  static_cast<void>(isa);
#endif
  return finish_plain();
}

}  // namespace sd::kernels
