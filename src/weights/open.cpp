#include "sd/weights/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "weights/detect_parts.h"
#include "weights/diffusers_config.h"
#include "weights/diffusers_folder.h"
#include "weights/family.h"
#include "weights/open_file.h"
#include "weights/part_weights.h"
#include "weights/renamed_source.h"
#include "weights/separate_parts.h"
#include "weights/sharded_files.h"
#include "weights/usual_ranks.h"

namespace sd {

std::filesystem::path weights_path(const std::filesystem::path& path) {
  // A link to nowhere counts, so that opening it names it.
  if (is_named(path / "model_index.json")) return path;
  for (const char* name : {"model.safetensors", "model.ckpt"}) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path / name, ignored) || dead_link(path / name))
      return path / name;
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

/// The width of the context that the UNet's attention takes; -1 where it has none.
int64_t context_width(const TensorSource& tensors) {
  for (const auto& name : tensors.names()) {
    if (!name.starts_with(kUNetPrefix) || !name.ends_with(".attn2.to_k.weight")) continue;
    const auto shape = tensors.describe(name).shape;
    return shape.size() > 1 ? shape[1] : -1;
  }
  return -1;
}

void replace_vae(OpenedModel& model, const std::filesystem::path& path) {
  constexpr int64_t kFactor = 8;  // pixels a latent, of all models that are drawn from
  auto vae = open_separate_vae(path);
  model.replaced.vae_file = vae.main_file;
  if (vae.tiny) {
    const auto& names = model.tensors->names();
    const bool has_vae = std::ranges::any_of(
        names, [](const std::string& name) { return name.starts_with(kVaePrefix); });
    if (!has_vae) {
      throw CheckpointError(
          fmt::format("{}: this model has a UNet but no VAE, and {} is TAESD, which decodes in a "
                      "VAE's place but "
                      "does not complete a model\n    Give a whole autoencoder with --vae.",
                      model.tensors->label(), path.string()));
    }
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
  const int64_t context = context_width(*model.tensors);
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

/// A UNet in a file or folder of its own, which the other parts are brought to.
OpenedModel open_lone_unet(const std::filesystem::path& path, std::string format,
                           std::optional<std::filesystem::path>& config) {
  auto unet = open_separate_unet(path);
  OpenedModel model;
  model.tensors = with_usual_ranks(std::move(unet.tensors));
  model.format = std::move(format);
  model.main_file = std::move(unet.main_file);
  config = std::move(unet.config);
  return model;
}

/// The model without what comes from elsewhere. `unet_config` is the config.json of a UNet that has
/// a file of its own.
OpenedModel open_given(const std::filesystem::path& path, const SeparateFiles& separate,
                       std::optional<std::filesystem::path>& unet_config) {
  const Elsewhere elsewhere = {separate.vae.has_value(), separate.clip.has_value()};
  const bool adds = elsewhere.vae || elsewhere.text;
  std::error_code ignored;
  OpenedModel model;
  if (std::filesystem::is_directory(path, ignored)) {
    if (adds && !is_present(path / "model_index.json") && find_part_weights(path))
      return open_lone_unet(path, "diffusers", unet_config);
    DiffusersFolder folder = open_diffusers_folder(path, elsewhere);
    model.tensors = with_usual_ranks(std::move(folder.tensors));
    model.format = "diffusers";
    model.main_file = folder.files.front();
    model.config = std::move(folder.config);
    return model;
  }
  OpenedFile file = open_weights(path);
  if (adds && is_bare_unet(*file.tensors))
    return open_lone_unet(path, std::move(file.format), unet_config);
  model.tensors = with_usual_ranks(with_published_names(std::move(file.tensors)));
  model.format = std::move(file.format);
  model.metadata = std::move(file.metadata);
  model.main_file = std::move(file.main_file);
  return model;
}

}  // namespace

OpenedModel open_model(const std::filesystem::path& given, const SeparateFiles& separate) {
  std::optional<std::filesystem::path> unet_config;
  auto model = open_given(weights_path(given), separate, unet_config);
  const bool has_unet = unet_size(*model.tensors, "out.2.weight", 0) > 0;
  if (!has_unet) require_drawable(*model.tensors);
  if (separate.vae) replace_vae(model, *separate.vae);
  if (separate.clip) replace_clip(model, *separate.clip);
  require_drawable(*model.tensors);
  if (unet_config) {
    model.config = family_config(*model.tensors, model.metadata);
    read_unet_config(*unet_config, *model.config);
  }
  const auto& names = model.tensors->names();
  model.has_ema = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("model_ema.diffusion_model");
  });
  return model;
}

}  // namespace sd
