#pragma once

#include <cstdint>
#include <vector>

#include "sd/image/image.h"

namespace sd {

/// A picture as CLIP's vision towers take it, [3,side,side]: to the bit what transformers'
/// CLIPImageProcessor makes of it. Without its alpha channel, the shorter side at `side` (Pillow's
/// bicubic), the middle cut out, values less CLIP's mean and divided by its deviation. Throws
/// UsageError as resize does.
std::vector<float> clip_pixels(const Image& picture, int64_t side);

}  // namespace sd
