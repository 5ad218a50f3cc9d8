#include "pipeline/encode.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "pipeline/check.h"
#include "pipeline/model_parts.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/models/taesd.h"
#include "sd/pipeline/draw.h"

namespace sd {

torch::Tensor encode_prompts(const LoadedModel& model, const std::vector<std::string>& prompts) {
  const auto text = use_part(model, ModelPart::kText);
  std::map<std::string, torch::Tensor> contexts;
  std::vector<torch::Tensor> rows;
  for (const auto& prompt : prompts) {
    auto& context = contexts[prompt];
    if (!context.defined()) {
      const auto tokens = model.tokenizer->encode(prompt);
      const auto ids =
          at::tensor(tokens.ids, at::kLong).unsqueeze(0).to(torch::Device(model.device));
      context = model.model->text->forward(ids, model.compute_dtype);  // [1,77,D]
      require_finite(context, "text encoder");
    }
    rows.push_back(context);
  }
  return at::cat(rows);
}

namespace {

torch::Tensor encode_by_parts(const torch::Tensor& pictures,
                              const std::function<torch::Tensor(const torch::Tensor&)>& encode,
                              const LoadedModel& model) {
  std::vector<torch::Tensor> encoded;
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    const auto picture =
        pictures.narrow(0, i, 1).to(torch::Device(model.device), model.compute_dtype);
    encoded.push_back(encode(picture).to(at::kFloat));
    require_finite(encoded.back(), "autoencoder, input picture");
  }
  return at::cat(encoded);
}

}  // namespace

torch::Tensor picture_means(const LoadedModel& model, const torch::Tensor& pictures) {
  // TAESD's latents are scaled already.
  if (model.taesd && model.taesd->encodes()) {
    return encode_by_parts(
               pictures, [&](const auto& picture) { return model.taesd->encode(picture); }, model) /
           model.config.scale_factor;
  }
  const auto encoder = use_part(model, ModelPart::kEncoder);
  return encode_by_parts(
      pictures, [&](const auto& picture) { return model.model->vae->encode(picture).mean; }, model);
}

torch::Tensor encode_pictures(const LoadedModel& model, const torch::Tensor& pictures) {
  return model.config.scale_factor * picture_means(model, pictures);
}

torch::Tensor to_tensor(const Image& picture) {
  if (picture.channels != 1 && picture.channels != 3) {
    throw UsageError(
        fmt::format("an input picture has {} channels, expected 1 or 3", picture.channels));
  }
  const auto bytes = at::tensor(at::ArrayRef<uint8_t>(picture.pixels), at::kByte)
                         .view({1, picture.height, picture.width, picture.channels});
  const auto floats = bytes.permute({0, 3, 1, 2}).to(at::kFloat) / 255.0 * 2.0 - 1.0;
  return floats.expand({1, 3, picture.height, picture.width}).contiguous();
}

namespace {

torch::Tensor decode_in(torch::Dtype dtype, const LoadedModel& model,
                        const torch::Tensor& latents) {
  if (model.taesd) {
    return model.taesd->decode(latents.to(torch::Device(model.device), dtype)).to(at::kFloat);
  }
  const auto decoder = use_part(model, ModelPart::kDecoder);
  const auto z = (latents / model.config.scale_factor).to(torch::Device(model.device), dtype);
  return model.model->vae->decode(z).to(at::kFloat);
}

}  // namespace

torch::Tensor decode_to_tensor(const LoadedModel& model, const torch::Tensor& latents) {
  return decode_in(model.compute_dtype, model, latents);
}

std::vector<Image> decode_latents(const LoadedModel& model, const torch::Tensor& latents,
                                  const std::function<void(int64_t)>& on_picture,
                                  bool* overflowed) {
  std::vector<Image> pictures;
  for (int64_t i = 0; i < latents.size(0); ++i) {
    const auto one = latents.narrow(0, i, 1);
    auto decoded = decode_to_tensor(model, one);  // [1,3,H,W]
    // Some published autoencoders go beyond the 65504 that half precision holds.
    if (model.compute_dtype == at::kHalf && !at::isfinite(decoded).all().item<bool>()) {
      if (overflowed != nullptr) *overflowed = true;
      decoded = decode_in(at::kFloat, model, one);
    }
    require_finite(decoded, fmt::format("autoencoder, picture {} of {}", i + 1, latents.size(0)));
    const auto bytes = ((decoded + 1.0) / 2.0)
                           .clamp(0.0, 1.0)
                           .mul(255.0)
                           .to(at::kByte)
                           .squeeze(0)
                           .permute({1, 2, 0})
                           .contiguous()
                           .cpu();  // [H,W,3]
    const auto* first = bytes.const_data_ptr<uint8_t>();
    pictures.push_back({.width = bytes.size(1),
                        .height = bytes.size(0),
                        .channels = 3,
                        .pixels = std::vector<uint8_t>(first, first + bytes.numel())});
    if (on_picture) on_picture(i + 1);
  }
  return pictures;
}

}  // namespace sd
