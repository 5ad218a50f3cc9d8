#include "kernels/vec_avx512.h"
#include "kernels/winograd_tiles.h"

namespace sd::kernels {

ConvSteps conv_steps_avx512() { return make_conv_steps<Avx512>(); }

}  // namespace sd::kernels
