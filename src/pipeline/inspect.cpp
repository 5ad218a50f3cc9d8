#include "sd/pipeline/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/models/config.h"

namespace sd {

std::optional<std::filesystem::path> sidecar_config(const std::filesystem::path& path) {
  const auto yaml = sidecar_path(path);
  std::error_code ignored;
  const bool is_file = std::filesystem::is_regular_file(weights_path(path), ignored);
  return is_file && is_present_file(yaml) ? std::optional(yaml) : std::nullopt;
}

namespace {

/// What configurations that come with separate files say of their parts.
ModelConfig with_replaced(ModelConfig config, const OpenedModel& opened) {
  const auto& replaced = opened.replaced;
  if (replaced.vae) config.vae = *replaced.vae;
  if (replaced.clip) config.text = *replaced.clip;
  constexpr double kRounding = 1e-6;
  if (replaced.scale_factor && std::abs(*replaced.scale_factor - config.scale_factor) > kRounding) {
    throw CheckpointError(fmt::format(
        "{}: its latents are scaled by {}, those of {} by {}\n    It is the autoencoder "
        "of another family of models.",
        replaced.vae_file.string(), *replaced.scale_factor, opened.tensors->label(),
        config.scale_factor));
  }
  return config;
}

/// `wanted` as far as it speaks of what is in use: a model's configuration knows nothing of parts
/// from elsewhere.
ModelConfig comparable(ModelConfig wanted, const ModelConfig& detected,
                       const ReplacedParts& replaced) {
  if (!replaced.vae_file.empty() && !replaced.taesd) wanted.vae = detected.vae;
  if (!replaced.clip_file.empty()) wanted.text = detected.text;
  return wanted;
}

/// Whether a configuration says how many layers of the text encoder run. That may be fewer than the
/// weights hold. The context is then the hidden state behind the last layer that runs, as with a
/// clip skip.
bool says_layers(const OpenedModel& opened, const ModelConfig& wanted, bool has_yaml) {
  if (wanted.text.activation == TextActivation::kGelu) return true;  // OpenCLIP's last never runs
  if (!opened.replaced.clip_file.empty()) return opened.replaced.clip.has_value();
  return has_yaml || opened.config.has_value();
}

/// Sizes of the model: what the weights tell, refined by the YAML for what they cannot tell.
ModelConfig settle_sizes(const OpenedModel& opened, const ModelFiles& files) {
  const ModelConfig base =
      opened.config ? *opened.config : family_config(*opened.tensors, opened.metadata);
  const auto yaml = files.config ? files.config : sidecar_config(files.checkpoint);
  const auto wanted = with_replaced(yaml ? read_config(*yaml, base) : base, opened);
  auto detected = detect_config(*opened.tensors, wanted);
  if (says_layers(opened, wanted, yaml.has_value()))
    detected.text.layers = std::min(detected.text.layers, wanted.text.layers);
  const auto compared = comparable(wanted, detected, opened.replaced);
  const auto& label = opened.tensors->label();
  if (yaml) {
    check_config(compared, detected, yaml->string(), label);
  } else if (opened.config) {
    check_config(compared, detected, "config.json", label);
  }
  validate_config(detected, label);
  return detected;
}

void settle_prediction(const TensorSource& tensors, SettledModel& settled) {
  const auto found = find_prediction(tensors, settled.config);
  settled.config.prediction = found.prediction;
  settled.prediction_assumed = found.assumed;
}

}  // namespace

int64_t image_size_in_file(const ModelConfig& config) {
  constexpr int64_t kBaseSide = 64, kVelocitySide = 96;
  const bool second = config.unet.use_linear_in_transformer &&
                      config.text.activation == TextActivation::kGelu;  // OpenCLIP's
  const bool velocity = second && config.prediction == Prediction::kVelocity;
  return velocity && config.image_size == kBaseSide ? kVelocitySide : config.image_size;
}

SettledModel settle_by_weights(const TensorSource& tensors, const Metadata& metadata) {
  SettledModel settled{detect_config(tensors, family_config(tensors, metadata))};
  settle_prediction(tensors, settled);
  settled.config.image_size = image_size_in_file(settled.config);
  return settled;
}

SettledModel settle_config(const OpenedModel& opened, const ModelFiles& files) {
  SettledModel settled{settle_sizes(opened, files)};
  auto& config = settled.config;
  if (files.prediction) config.prediction = files.prediction;
  settle_prediction(*opened.tensors, settled);
  if (!opened.config) config.image_size = image_size_in_file(config);
  return settled;
}

ModelConfig inspect_model(const ModelFiles& files) {
  return settle_config(open_model(files.checkpoint, files.separate), files).config;
}

}  // namespace sd
