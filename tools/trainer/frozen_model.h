#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <string>

#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/inspect.h"
#include "sd/text/tokenizer.h"

namespace sd::train {

/// A model beside whose weights something is trained: its modules under autograd, without gradients
/// of its own.
struct FrozenModel {
  ModelConfig config;  // its prediction is settled
  std::shared_ptr<const Tokenizer> tokenizer;
  LatentDiffusion model{nullptr};
  std::filesystem::path main_file;  // what the hash is taken of
  torch::Device device = torch::kCPU;
  torch::Dtype dtype = torch::kFloat;  // the UNet's, and what it computes in
};

/// Opens a model of any family that `sd` draws with. The UNet is held in `dtype`, the rest in
/// float32. Throws IoError, CheckpointError, and UsageError for a model that cannot be trained: one
/// that takes a picture beside the latents, or an embedded guidance scale.
FrozenModel load_frozen(const ModelFiles& files, torch::Device device, torch::Dtype dtype);

/// Throws UsageError, with `label`, for such a model.
void require_trainable(const ModelConfig& config, const std::string& label);

}  // namespace sd::train
