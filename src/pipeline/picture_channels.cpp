#include "pipeline/picture_channels.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pipeline/encode.h"
#include "pipeline/start.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// Which pixels are drawn anew, [1 or N,1,H,W] of ones and zeros. Without a mask, all.
torch::Tensor masked_pixels(const LoadedModel& model, const DrawRequest& request) {
  const auto [width, height] = size_of(model, request);
  torch::Tensor mask = at::ones({1, 1, height, width});
  if (request.pixel_mask) {
    mask = *request.pixel_mask;
  } else if (request.mask) {
    mask = at::upsample_nearest2d(request.mask->to(at::kFloat), {height, width});
  }
  if (mask.dim() != 4 || mask.size(1) != 1 || mask.size(2) != height || mask.size(3) != width) {
    throw UsageError(fmt::format("the mask has shape [{}], expected [1 or N,1,{},{}]",
                                 fmt::join(mask.sizes(), ", "), height, width));
  }
  return mask.ge(0.5).to(torch::Device(model.device), at::kFloat);
}

/// As the inpainting checkpoints were trained (CompVis' LatentInpaintDiffusion): the mask by its
/// nearest pixels, then the latents of the picture with grey where it is masked.
torch::Tensor masked_picture(const LoadedModel& model, const DrawRequest& request) {
  const auto mask = masked_pixels(model, request);  // [1 or N,1,H,W]
  const int64_t factor = model.config.vae.factor();
  const auto coarse = mask.slice(2, 0, {}, factor).slice(3, 0, {}, factor);  // [1 or N,1,h,w]
  const auto picture = request.init_image
                           ? request.init_image->to(mask.device(), at::kFloat)
                           : at::zeros({1, 3, mask.size(2), mask.size(3)}, mask.options());
  const auto seen = encode_pictures(model, picture * (1 - mask));
  const int64_t samples = std::max(coarse.size(0), seen.size(0));
  return at::cat({coarse.expand({samples, -1, -1, -1}), seen.expand({samples, -1, -1, -1})}, 1);
}

}  // namespace

torch::Tensor picture_channels(const LoadedModel& model, const DrawRequest& request,
                               const torch::Tensor& means) {
  switch (model.config.extra()) {
    case UNetExtra::kMaskedPicture:
      return masked_picture(model, request);
    case UNetExtra::kPicture:
      if (!means.defined()) {
        throw UsageError(
            "this is an InstructPix2Pix model, which changes pictures: give one to start from "
            "(sd img2img --init-img)");
      }
      return means;
    case UNetExtra::kNone:
      break;
  }
  return {};
}

}  // namespace sd
