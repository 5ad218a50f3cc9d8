#pragma once

#include <filesystem>
#include <optional>

#include "sd/core/model_config.h"
#include "sd/weights/open.h"

namespace sd {

/// What a model is read from.
struct ModelFiles {
  std::filesystem::path checkpoint;             // file or diffusers folder
  std::optional<std::filesystem::path> config;  // YAML; absent: the sidecar, if there is one
  SeparateFiles separate = {};
  std::optional<Prediction> prediction = {};  // what the UNet predicts; absent: as the model says
};

/// What an opened model comes to.
struct SettledModel {
  ModelConfig config;
  bool prediction_assumed = false;  // nothing but a guess by its weights says what it predicts
};

/// `model.yaml` beside `model.ckpt`, the way the community ships configurations; none for
/// diffusers folders.
std::optional<std::filesystem::path> sidecar_config(const std::filesystem::path& checkpoint);

/// Sizes and kinds of an opened model: what its weights tell, refined by the YAML for what they
/// cannot tell. Throws CheckpointError, or UsageError if the YAML contradicts the weights.
SettledModel settle_config(const OpenedModel& opened, const ModelFiles& files);

/// What weights come to in a file of their own without a YAML beside it: by the tensors and the
/// file's metadata.
SettledModel settle_by_weights(const TensorSource& tensors, const Metadata& metadata);

/// The side of the latents at which a model in a single file is drawn. Stable Diffusion 2's
/// v-prediction models were trained for 768 pixels, though their published YAML says 64 latents as
/// the one for 512 does.
int64_t image_size_in_file(const ModelConfig& config);

/// settle_config from headers alone and without LibTorch, before the model is loaded. Throws
/// IoError too.
ModelConfig inspect_model(const ModelFiles& files);

}  // namespace sd
