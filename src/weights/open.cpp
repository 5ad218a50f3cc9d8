#include "sd/weights/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sd/core/error.h"
#include "weights/detect_parts.h"
#include "weights/diffusers_folder.h"
#include "weights/family.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"
#include "weights/separate_parts.h"
#include "weights/sharded_files.h"

namespace sd {

std::filesystem::path weights_path(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path / "model_index.json", ignored)) return path;
  for (const char* name : {"model.safetensors", "model.ckpt"}) {
    if (std::filesystem::is_regular_file(path / name, ignored)) return path / name;
  }
  return find_shard_index(path).value_or(path);
}

std::filesystem::path sidecar_path(const std::filesystem::path& path) {
  return unsharded_name(weights_path(path)).replace_extension(".yaml");
}

namespace {

/// A dimension of one tensor of the UNet, or -1 where it is not there.
int64_t unet_size(const TensorSource& tensors, const char* name, std::size_t dimension) {
  const auto full = fmt::format("model.diffusion_model.{}", name);
  if (!tensors.contains(full)) return -1;
  const auto shape = tensors.describe(full).shape;
  return dimension < shape.size() ? shape[dimension] : -1;
}

void replace_vae(OpenedModel& model, const std::filesystem::path& path) {
  constexpr int64_t kFactor = 8;  // pixels a latent, of all models that are drawn from
  auto vae = open_separate_vae(path);
  model.replaced.vae_file = vae.main_file;
  if (vae.tiny) {
    model.replaced.taesd = std::move(vae.tensors);
    return;
  }
  const auto sizes = detect_vae_config(*vae.tensors, VaeConfig{});
  const int64_t channels = unet_size(*model.tensors, "out.2.weight", 0);
  if (sizes.embed_dim != channels || sizes.factor() != kFactor) {
    throw CheckpointError(fmt::format(
        "{}: an autoencoder with latents of {} channels for {} pixels a side, expected {} and {}\n"
        "    Give one that was made for this family of models.",
        path.string(), sizes.embed_dim, sizes.factor(), channels, kFactor));
  }
  model.replaced.vae = vae.config;
  model.replaced.scale_factor = vae.scale_factor;
  model.tensors = replace_part(std::move(model.tensors), std::move(vae.tensors), kVaePrefix);
}

void replace_clip(OpenedModel& model, const std::filesystem::path& path) {
  constexpr int64_t kVocabulary = 49408;  // of the tokenizer that its ids come from
  auto text = open_separate_text(path);
  const auto sizes = detect_text_config(*text.tensors, TextConfig{});
  const int64_t context =
      unet_size(*model.tensors, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1);
  if (sizes.width != context || sizes.vocabulary != kVocabulary) {
    throw CheckpointError(
        fmt::format("{}: a text encoder of width {} with {} tokens, expected {} and {}\n"
                    "    Give one that was made for this family of models.",
                    path.string(), sizes.width, sizes.vocabulary, context, kVocabulary));
  }
  model.replaced.clip_file = text.main_file;
  model.replaced.clip = text.config;
  model.tensors =
      replace_part(std::move(model.tensors), std::move(text.tensors), kTextEncoderPrefix);
}

}  // namespace

OpenedModel open_model(const std::filesystem::path& given, const SeparateFiles& separate) {
  const auto path = weights_path(given);
  std::error_code ignored;
  OpenedModel model;
  if (std::filesystem::is_directory(path, ignored)) {
    DiffusersFolder folder = open_diffusers_folder(path);
    model.tensors = std::move(folder.tensors);
    model.format = "diffusers";
    model.main_file = folder.files.front();
    model.config = std::move(folder.config);
  } else {
    OpenedFile file = open_weights(path);
    model.tensors = with_published_names(std::move(file.tensors));
    model.format = std::move(file.format);
    model.metadata = std::move(file.metadata);
    model.main_file = std::move(file.main_file);
  }
  const bool has_unet = unet_size(*model.tensors, "out.2.weight", 0) > 0;
  if (!has_unet) require_drawable(*model.tensors);
  if (separate.vae) replace_vae(model, *separate.vae);
  if (separate.clip) replace_clip(model, *separate.clip);
  require_drawable(*model.tensors);
  const auto& names = model.tensors->names();
  model.has_ema = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("model_ema.diffusion_model");
  });
  return model;
}

}  // namespace sd
