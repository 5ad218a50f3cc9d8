#include "kernels/vec_avx2.h"
#include "kernels/winograd_tiles.h"

namespace sd::kernels {

ConvSteps conv_steps_avx2() { return make_conv_steps<Avx2>(); }

}  // namespace sd::kernels
