#pragma once

#include <torch/types.h>

#include <cstdint>

#include "sd/image/image.h"

namespace sd {

/// The mask by which a picture that was drawn under a local blend is put onto its source, grey of
/// width × height pixels. `editable` [h,w] says of each latent pixel whether the target could
/// differ in the last step (LocalBlend::masks). Decoding spreads an edit beyond its latents, most
/// in the nearest pixels: up to half of `margin` pixels around them the mask is white, further away
/// than `margin` black. Throws UsageError unless margin is 0 to 1000.
Image blend_paste_mask(const torch::Tensor& editable, int64_t width, int64_t height, double margin);

}  // namespace sd
