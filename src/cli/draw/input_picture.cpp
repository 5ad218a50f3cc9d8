#include "cli/draw/input_picture.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <utility>

#include "cli/draw/edit_masks.h"
#include "cli/plan/mask_notice.h"
#include "sd/image/fit.h"
#include "sd/image/mask.h"
#include "sd/image/preprocess.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"
#include "sd/pipeline/draw.h"

namespace sd::cli {
namespace {

constexpr double kSeen = 0.5;

/// The mask file of an option in the plan's size, beside a picture that was `given` in this size.
Image read_mask(const DrawPlan& plan, std::string_view option, const std::filesystem::path& file,
                std::optional<Size> given, const Say& say) {
  const auto picture = read_image(file);
  auto fitted = fit_mask(picture, {plan.width(), plan.height()});
  if (fitted.resized && Size{picture.width, picture.height} != given) {
    say(fmt::format("{}: {}x{} is resized to {}x{}", option, picture.width, picture.height,
                    plan.width(), plan.height()));
  }
  for (const auto& notice : mask_notices(fitted)) {
    say(fmt::format("{}: {}{}", option, notice,
                    plan.options.input.invert_mask ? "; --invert-mask turns that around" : ""));
  }
  return std::move(fitted.mask);
}

/// The mask of the picture to start from, if there is one in a file. A swap's --edit-mask is the
/// same there: its source, too, is drawn from the picture made noisy, and is not the picture.
std::optional<SizedMask> mask_of_picture(const DrawPlan& plan, Size given, const Say& say) {
  const auto& input = plan.options.input;
  if (input.edit_mask) {
    return sized_mask(plan, read_mask(plan, "--edit-mask", *input.edit_mask, given, say),
                      "--edit-mask");
  }
  if (!input.init_mask) return std::nullopt;
  return any_sized_mask(plan, read_mask(plan, "--init-mask", *input.init_mask, given, say));
}

InputPicture read_picture(const DrawPlan& plan, const Say& say) {
  InputPicture result;
  result.picture = to_rgb(read_image(*plan.options.input.init_img));
  const Size given{result.picture.width, result.picture.height};
  if (given != Size{plan.width(), plan.height()})
    result.picture = resize(result.picture, plan.width(), plan.height(), Filter::kLanczos);
  result.tensor = to_tensor(result.picture);
  if (const auto mask = mask_of_picture(plan, given, say)) {
    result.mask = mask->paste(plan.options.input.mask_mode);
    result.latent_mask = mask->latents;
    result.pixel_mask = mask->fine;
    save_mask(plan, *mask);
  }
  return result;
}

SwapMask read_swap_mask(const DrawPlan& plan, const Say& say) {
  const auto mask = sized_mask(
      plan, read_mask(plan, "--edit-mask", *plan.options.input.edit_mask, std::nullopt, say),
      "--edit-mask");
  save_mask(plan, mask);
  return {mask.paste(plan.options.input.mask_mode), mask.latents};
}

/// Alpha as grey.
Image alpha_of(const Image& picture) {
  Image alpha{picture.width, picture.height, 1, {}};
  for (std::size_t i = 3; i < picture.pixels.size(); i += 4)
    alpha.pixels.push_back(picture.pixels[i]);
  return alpha;
}

/// Picture number `i`, made to fit. What an inpainting net does not see is where the picture is
/// transparent, else where --init-mask has it drawn anew.
ControlPicture read_control(const DrawPlan& plan, std::size_t i,
                            const std::optional<InputPicture>& input) {
  const auto& nets = plan.options.nets;
  const Size size{plan.width(), plan.height()};
  const auto given = read_image(nets.inputs[i].picture);
  const auto [preprocessor, settings, text] = nets.preprocess_of(i);
  const auto resize = nets.resize_of(i);
  ControlPicture control;
  control.picture =
      (to_tensor(control_picture(given, size, resize, preprocessor, settings)) + 1) / 2;
  if (given.channels == 4) {
    const auto alpha = control_picture(alpha_of(given), size, resize, Preprocessor::kNone);
    const auto seen = (to_tensor(alpha).narrow(1, 0, 1) + 1) / 2;
    if (seen.min().item<float>() < kSeen) control.hidden = seen < kSeen;
  }
  if (!control.hidden.defined() && input && input->mask)
    control.hidden = input->pixel_mask >= kSeen;
  return control;
}

/// What of the picture is in the middle of the drawn shape; or all, stretched to it.
torch::Tensor read_fitted(const DrawPlan& plan, const std::filesystem::path& file,
                          ControlResize resize = ControlResize::kCrop) {
  const auto given = to_rgb(read_image(file));
  return to_tensor(
      control_picture(given, {plan.width(), plan.height()}, resize, Preprocessor::kNone));
}

/// A mask that lies over a picture which is fitted so, in pixels of latents.
torch::Tensor read_object(const DrawPlan& plan, const std::filesystem::path& file,
                          ControlResize resize) {
  const auto grey = read_fitted(plan, file, resize).mean({1}, /*keepdim=*/true);
  return at::avg_pool2d((grey + 1) / 2, plan.options.f);
}

void read_appearance(const DrawPlan& plan, RunInputs& inputs) {
  const auto& sharing = plan.options.sharing;
  if (sharing.appearance_from) inputs.appearance = read_fitted(plan, *sharing.appearance_from);
  // A source's own mask is as large as the source.
  const auto fit = sharing.appearance_from ? ControlResize::kCrop : ControlResize::kStretch;
  if (sharing.appearance_object)
    inputs.appearance_object = read_object(plan, *sharing.appearance_object, fit);
  if (sharing.appearance_onto) {
    inputs.appearance_onto = read_object(plan, *sharing.appearance_onto, ControlResize::kStretch);
  }
}

torch::Tensor read_blend_mask(const DrawPlan& plan, const Say& say) {
  const auto fitted =
      fit_mask(read_image(*plan.options.swap.blend_mask), {plan.width(), plan.height()});
  for (const auto& notice : mask_notices(fitted)) say("--blend-mask: " + notice);
  const int64_t h = plan.height() / plan.options.f, w = plan.width() / plan.options.f;
  auto values = latent_mask(fitted.mask, h, w, MaskReduction::kBox);
  return at::from_blob(values.data(), {1, 1, h, w}, torch::kFloat).clone();
}

}  // namespace

RunInputs read_inputs(const DrawPlan& plan, const Say& say) {
  RunInputs inputs;
  if (plan.options.input.init_img) inputs.picture = read_picture(plan, say);
  if (!plan.is_shared()) inputs.start = start_latents_of(plan.options, latent_shape(plan));
  if (plan.options.input.edit_mask && !inputs.picture) {
    inputs.swap_mask = read_swap_mask(plan, say);
  }
  if (!plan.regions.empty()) inputs.region_maps = region_maps(plan);
  if (plan.options.swap.blend_mask) inputs.blend_mask = read_blend_mask(plan, say);
  for (const auto& one : plan.options.image_prompts.adapters)
    inputs.followed.push_back(read_image(one.picture));
  if (const auto& picture = plan.options.sharing.reference)
    inputs.reference = read_fitted(plan, *picture);
  read_appearance(plan, inputs);
  for (std::size_t i = 0; i < plan.options.nets.inputs.size(); ++i)
    inputs.controls.push_back(read_control(plan, i, inputs.picture));
  return inputs;
}

std::array<int64_t, 3> latent_shape(const DrawPlan& plan) {
  const auto& options = plan.options;
  return {options.C, plan.height() / options.f, plan.width() / options.f};
}

}  // namespace sd::cli
