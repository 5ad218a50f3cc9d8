#include "kernels/vec_avx512.h"
#include "kernels/winograd_tiles.h"

namespace sd::kernels {

ConvSteps conv_steps_avx512_bf16() { return make_conv_steps<Avx512Bf16>(); }

}  // namespace sd::kernels
