#include "trainer/frozen_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "sd/core/error.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/open.h"

namespace sd::train {
namespace {

constexpr std::string_view kUNet = "model.diffusion_model.";

}  // namespace

void require_trainable(const ModelConfig& config, const std::string& label) {
  const auto refuse = [&](const char* what) {
    throw UsageError(fmt::format(
        "{}: {}\nTrain on the model that it was made from: what is learnt works with both.", label,
        what));
  };
  if (config.extra() == UNetExtra::kMaskedPicture)
    refuse("is an inpainting model, and training has no masks");
  if (config.extra() == UNetExtra::kPicture)
    refuse("is InstructPix2Pix, and training has no pairs of pictures");
  if (config.unet.time_cond_width > 0)
    refuse("is a latent consistency model, which is not trained by noise alone");
}

FrozenModel load_frozen(const ModelFiles& files, torch::Device device, torch::Dtype dtype) {
  auto opened = open_model(files.checkpoint, files.separate);
  FrozenModel frozen;
  frozen.config = settle_config(opened, files).config;
  require_trainable(frozen.config, files.checkpoint.string());
  if (frozen.config.use_ema) opened.tensors = with_ema_weights(std::move(opened.tensors));
  frozen.tokenizer = make_tokenizer(frozen.config.text);
  frozen.main_file = opened.main_file;
  frozen.device = device;
  frozen.dtype = dtype;
  frozen.model = LatentDiffusion(frozen.config);
  auto slots = parameter_slots(*frozen.model);
  check_weights(slots, *opened.tensors);
  const auto rest = std::stable_partition(
      slots.begin(), slots.end(), [](const auto& slot) { return slot.name.starts_with(kUNet); });
  LoadOptions options;
  options.device = device;
  options.dtype = dtype;
  load_weights({slots.begin(), rest}, *opened.tensors, options);
  options.dtype = torch::kFloat;
  load_weights({rest, slots.end()}, *opened.tensors, options);
  return frozen;
}

}  // namespace sd::train
