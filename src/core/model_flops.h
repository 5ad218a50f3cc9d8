#pragma once

#include <cstdint>

#include "sd/core/model_config.h"

namespace sd {

// Floating-point operations of matrix products and convolutions, a multiplication and an addition
// each, as a direct computation does them: what is computed once for several rows, or by fewer
// multiplications (Winograd), counts in full. Norms, activations and sums are left out; they are
// less than one in a hundred.

/// One evaluation of the UNet over `rows` rows of height × width latents with `tokens` of context.
/// SD v1 with guidance at 512x512 pixels (2 rows): 1.607e12.
double unet_flops(const UNetConfig& config, int64_t rows, int64_t height, int64_t width,
                  int64_t tokens);

/// Decoding one picture of height × width latents.
double decoder_flops(const VaeConfig& config, int64_t height, int64_t width);

/// One text of `tokens` ids.
double text_flops(const TextConfig& config, int64_t tokens);

}  // namespace sd
