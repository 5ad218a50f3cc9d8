#include "cli/draw/input_picture.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include "cli/plan/mask_notice.h"
#include "sd/image/mask.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"
#include "sd/pipeline/draw.h"

namespace sd::cli {
namespace {

torch::Tensor to_latents(const Image& mask, int64_t factor) {
  const int64_t h = mask.height / factor, w = mask.width / factor;
  auto values = latent_mask(mask, h, w, MaskReduction::kBox);
  return at::from_blob(values.data(), {1, 1, h, w}, torch::kFloat).clone();
}

}  // namespace

Image InputPicture::paste(const Image& drawn) const {
  return mask ? paste_outside(drawn, picture, *mask) : drawn;
}

InputPicture read_input(const PictureInput& input, std::optional<int64_t> width,
                        std::optional<int64_t> height, int64_t factor,
                        const std::function<void(const std::string&)>& say) {
  InputPicture result;
  const auto given = to_rgb(read_image(*input.init_img));
  const auto size = fit_size({given.width, given.height}, width, height);
  result.picture = given;
  if (size != Size{given.width, given.height}) {
    result.picture = resize(given, size.width, size.height, Filter::kLanczos);
    say(fmt::format("--init-img: {}x{} is drawn as {}x{}", given.width, given.height, size.width,
                    size.height));
  }
  result.tensor = to_tensor(result.picture);
  if (!input.init_mask) return result;
  const auto picture = read_image(*input.init_mask);
  auto fitted = fit_mask(picture, size);
  if (fitted.resized && Size{picture.width, picture.height} != Size{given.width, given.height}) {
    say(fmt::format("--init-mask: {}x{} is resized to {}x{}", picture.width, picture.height,
                    size.width, size.height));
  }
  for (const auto& notice : mask_notices(fitted)) {
    say(fmt::format("--init-mask: {}{}", notice,
                    input.invert_mask ? "; --invert-mask turns that around" : ""));
  }
  auto mask = input.invert_mask ? invert_mask(fitted.mask) : std::move(fitted.mask);
  result.mask = blur_mask(grow_mask(mask, input.mask_grow), input.mask_blur);
  result.latent_mask = to_latents(*result.mask, factor);
  result.pixel_mask = to_latents(*result.mask, 1);
  return result;
}

torch::Tensor read_latent_mask(const std::filesystem::path& path, Size size, int64_t factor,
                               const std::function<void(const std::string&)>& say) {
  const auto fitted = fit_mask(read_image(path), size);
  for (const auto& notice : mask_notices(fitted)) say("--blend-mask: " + notice);
  return to_latents(fitted.mask, factor);
}

}  // namespace sd::cli
