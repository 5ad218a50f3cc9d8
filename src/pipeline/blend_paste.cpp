#include "sd/pipeline/blend_paste.h"

#include "sd/image/mask.h"
#include "sd/image/resize.h"

namespace sd {

Image blend_paste_mask(const torch::Tensor& editable, int64_t width, int64_t height,
                       double margin) {
  const auto values = editable.to(at::kCPU, at::kByte).mul(255).contiguous();
  const auto* first = values.const_data_ptr<uint8_t>();
  const Image latents{values.size(1), values.size(0), 1, {first, first + values.numel()}};
  const auto mask = resize(latents, width, height, Filter::kBox);
  // Half of the margin is fully the target's; the blur reaches four deviations further.
  return blur_mask(grow_mask(mask, margin / 2), margin / 8);
}

}  // namespace sd
