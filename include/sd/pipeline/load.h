#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "sd/core/compute.h"
#include "sd/core/model_config.h"
#include "sd/pipeline/progress.h"
#include "sd/text/tokenizer.h"

namespace sd {

class LatentDiffusionImpl;  // models/latent_diffusion.h

struct LoadRequest {
  std::filesystem::path checkpoint;             // file or diffusers folder
  std::optional<std::filesystem::path> config;  // YAML; refines what the weights tell
  bool ema = false;                             // load the EMA weights of a full checkpoint
  DeviceChoice device;
  DTypeChoice dtype = DTypeChoice::kAuto;
  int threads = 0;  // 0: physical cores
  ProgressCallback on_progress;
};

/// A model ready to draw; immutable, may be shared between requests and threads.
struct LoadedModel {
  std::shared_ptr<LatentDiffusionImpl> model;
  ModelConfig config;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::filesystem::path main_file;             // what the hash is taken of
  std::string format;                          // "ckpt", "safetensors", "diffusers"
  std::string device;                          // "cpu", "cuda:0"
  std::string dtype;                           // "f32", "bf16", "f16"
  torch::Dtype compute_dtype = torch::kFloat;  // of activations; weights may be held narrower
};

/// Opens, detects, checks and loads a model. Throws IoError, CheckpointError, UsageError (config
/// contradicts weights, no such device) or OutOfMemory.
LoadedModel load_model(const LoadRequest& request);

}  // namespace sd
