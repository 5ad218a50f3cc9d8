#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// What an opened model file is, besides its tensors.
struct OpenedModel {
  std::unique_ptr<TensorSource> tensors;  // by CompVis names, whatever the file calls them
  std::string format;                     // "ckpt", "safetensors", "diffusers"
  std::filesystem::path
      main_file;         // what the model hash is taken of (a folder: its UNet's weights)
  bool has_ema = false;  // `model_ema.*` tensors are there
  /// diffusers folders carry their own configuration; other formats do not.
  std::optional<ModelConfig> config;
};

/// Where a model's weights lie: `path` itself, or in a folder without model_index.json its
/// `model.safetensors` or `model.ckpt` (what sd-train exports, and how the original scripts place
/// theirs), if there is one.
std::filesystem::path weights_path(const std::filesystem::path& path);

/// Opens a checkpoint file or a diffusers folder, told apart by content and not by name. Throws
/// IoError if it cannot be read, CheckpointError if it is something else, naming what it is (Git
/// LFS pointer, HTML page, old pickle without a zip, truncated file, LoRA, …) and what to do.
OpenedModel open_model(const std::filesystem::path& path);

/// The tensors of a file with the EMA copies of the UNet standing in for the plain ones
/// (`model.diffusion_model.x.y` read from `model_ema.diffusion_modelxy`). Throws CheckpointError if
/// the file has none.
std::unique_ptr<TensorSource> with_ema_weights(std::unique_ptr<TensorSource> tensors);

/// What published checkpoints of this model's family have where weights do not tell: a base for
/// detect_config.
ModelConfig published_config(const TensorSource& tensors);

/// Sizes and kinds that names and shapes give away (CompVis names): channels, multipliers, blocks,
/// attention levels, widths, layers. Fields that weights cannot tell (heads, groups, scale factor,
/// schedule) are taken from `base`. Throws CheckpointError naming what the file seems to be, if it
/// is not a model of this family.
ModelConfig detect_config(const TensorSource& tensors, const ModelConfig& base);

}  // namespace sd
