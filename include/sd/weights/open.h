#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"

namespace sd {

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Files whose tensors stand in for those of a model.
struct SeparateFiles {
  std::optional<std::filesystem::path> vae;   // autoencoder, or TAESD
  std::optional<std::filesystem::path> clip;  // text encoder
};

/// What became of them.
struct ReplacedParts {
  std::filesystem::path vae_file, clip_file;  // what their hashes are taken of; empty: not replaced
  std::optional<VaeConfig> vae;               // what a config.json beside the weights says
  std::optional<TextConfig> clip;             // likewise
  std::optional<double> scale_factor;         // likewise
  std::unique_ptr<TensorSource> taesd;        // then the model keeps its own autoencoder as well
};

/// What an opened model file is, besides its tensors.
struct OpenedModel {
  std::unique_ptr<TensorSource> tensors;  // by CompVis names, whatever the file calls them
  std::string format;  // "ckpt", "legacy ckpt", "safetensors", "gguf", "sharded …", "diffusers"
  std::filesystem::path
      main_file;         // what the model hash is taken of (a folder: its UNet's weights)
  bool has_ema = false;  // `model_ema.*` tensors are there
  /// diffusers folders carry their own configuration; other formats do not.
  std::optional<ModelConfig> config;
  Metadata metadata;  // `__metadata__` of a .safetensors
  ReplacedParts replaced;
};

/// Where a model's weights lie. For a file and for a diffusers folder that is `path` itself. For a
/// folder without model_index.json it is the folder's `model.safetensors` (which sd-train exports),
/// its `model.ckpt` (which the original scripts look for) or the index of its shards. `path` itself
/// if it has none of them.
std::filesystem::path weights_path(const std::filesystem::path& path);

/// The YAML that may lie beside a model's weights: NAME.yaml for NAME.ckpt, NAME.safetensors and
/// their shards.
std::filesystem::path sidecar_path(const std::filesystem::path& path);

/// Opens a checkpoint file, the index or one of the shards of a checkpoint in several files, or a
/// diffusers folder, told apart by content and not by name. Throws IoError if it cannot be read,
/// CheckpointError if it is something else, naming what it is (Git LFS pointer, HTML page, ONNX,
/// truncated file, LoRA, …) and what to do.
/// Tensors of `separate` files take the place of the model's; that they do not fit is a
/// CheckpointError too.
OpenedModel open_model(const std::filesystem::path& path, const SeparateFiles& separate = {});

/// The tensors of a file with the EMA copies of the UNet standing in for the plain ones
/// (`model.diffusion_model.x.y` read from `model_ema.diffusion_modelxy`). Throws CheckpointError if
/// the file has none.
std::unique_ptr<TensorSource> with_ema_weights(std::unique_ptr<TensorSource> tensors);

/// The configuration that detect_config starts from where none comes with the weights. It holds the
/// published settings of the family that the weights look like (Stable Diffusion 2 has linear
/// projections in its UNet). It also says what the model predicts, if metadata
/// (`modelspec.prediction_type`) or a marker tensor (`v_pred`) tell.
ModelConfig family_config(const TensorSource& tensors, const Metadata& metadata);

/// Sizes that names and shapes give away (CompVis names): channels, multipliers, blocks, attention
/// levels, widths, layers. Fields that weights cannot tell (heads, groups, scale factor, schedule)
/// are taken from `base`. Throws CheckpointError naming what the file seems to be, if it is not a
/// model of this family.
ModelConfig detect_config(const TensorSource& tensors, const ModelConfig& base);

/// What a model predicts, and whether anybody has said so.
struct FoundPrediction {
  Prediction prediction = Prediction::kNoise;
  bool assumed = false;  // a guess from weights that cannot tell: Stable Diffusion 2's
};

/// config.prediction where it is given. Else Stable Diffusion 2 is told by a statistic of one
/// tensor, which both of its kinds have in the same shape, and any other model predicts noise.
FoundPrediction find_prediction(const TensorSource& tensors, const ModelConfig& config);

}  // namespace sd
