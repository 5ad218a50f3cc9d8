#pragma once

#include <torch/types.h>

#include "sd/pipeline/draw.h"

namespace sd {

/// The channels [1 or N,C,h,w] that show the UNet a picture; they follow the channels of the
/// latents. Undefined for a model that takes no picture. `means` are the input picture's (see
/// picture_means), undefined without one. Throws UsageError for InstructPix2Pix without a picture,
/// and for a mask of another size than the picture.
torch::Tensor picture_channels(const LoadedModel& model, const DrawRequest& request,
                               const torch::Tensor& means);

}  // namespace sd
