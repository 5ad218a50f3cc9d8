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
};

/// `model.yaml` beside `model.ckpt`, the way the community ships configurations; none for
/// diffusers folders.
std::optional<std::filesystem::path> sidecar_config(const std::filesystem::path& checkpoint);

/// Sizes and kinds of an opened model: what its weights tell, refined by the YAML for what they
/// cannot tell. Throws CheckpointError, or UsageError if the YAML contradicts the weights.
ModelConfig settle_config(const OpenedModel& opened, const ModelFiles& files);

/// The same from headers alone and without LibTorch, before the model is loaded. Throws IoError
/// too.
ModelConfig inspect_model(const ModelFiles& files);

}  // namespace sd
