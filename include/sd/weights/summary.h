#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/open.h"

namespace sd {

/// Tensors of one part of a model.
struct PartSummary {
  std::string name;  // "UNet", "VAE", "text encoder", "EMA", "other"
  int64_t tensors = 0;
  int64_t parameters = 0;  // elements
  int64_t bytes = 0;       // in the file
};

/// What a model file holds, told by its headers.
struct ModelSummary {
  std::string format;   // "ckpt", "legacy ckpt", "safetensors", "gguf", "sharded …", "diffusers"
  std::string family;   // "Stable Diffusion v1", "LoRA", …
  std::string problem;  // why no picture can be drawn from it; empty if one can
  std::filesystem::path main_file;  // what the model hash is taken of
  int64_t tensors = 0;
  int64_t parameters = 0;
  std::map<std::string, int64_t>
      dtypes;  // tensors of each as stored; "unreadable" for those that are no plain tensors
  std::vector<PartSummary> parts;  // those that are there
  bool has_ema = false;
  // Against what a model of these sizes is drawn with, where it is one: CompVis names.
  std::vector<std::string> missing;
  std::vector<std::string> mismatched;  // "'name' has shape [1], expected [2]"
  std::vector<std::string> unexpected;  // known leftovers are none
  std::optional<ModelConfig> config;    // a diffusers folder's own, else what names and shapes tell
  std::optional<FoundPrediction> prediction;  // of a model that can be drawn from
  Metadata metadata;                          // of a .safetensors or GGUF
};

/// Describes a checkpoint file or diffusers folder from its headers; no tensor is read. Files that
/// hold something else than a whole model (a LoRA, a VAE) are described too. Throws IoError, or
/// CheckpointError if it is no weight file at all.
ModelSummary describe_model(const std::filesystem::path& path);

}  // namespace sd
