#include "kernels/vec_plain.h"
#include "kernels/winograd_tiles.h"

namespace sd::kernels {

ConvSteps conv_steps_plain() { return make_conv_steps<Plain>(); }

}  // namespace sd::kernels
