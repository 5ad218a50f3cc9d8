#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/compute.h"
#include "sd/core/model_config.h"
#include "sd/networks/apply.h"
#include "sd/pipeline/inspect.h"
#include "sd/pipeline/progress.h"
#include "sd/text/tokenizer.h"

namespace sd {

class LatentDiffusionImpl;  // models/latent_diffusion.h
class TaesdImpl;            // models/taesd.h
class ModelParts;           // pipeline/model_parts.h
class NetworkLayers;        // pipeline/network_layers.h
class RecordedUNet;         // pipeline/recorded_unet.h

struct LoadRequest {
  std::filesystem::path checkpoint;             // file or diffusers folder
  std::optional<std::filesystem::path> config;  // YAML; refines what the weights tell
  SeparateFiles separate = {};                  // parts from elsewhere
  std::vector<AppliedNetwork> networks = {};    // merged into the weights, one after the other
  bool ema = false;                             // load the EMA weights of a full checkpoint
  std::optional<Prediction> prediction;         // what the UNet predicts; absent: as the model says
  DeviceChoice device;
  DTypeChoice dtype = DTypeChoice::kAuto;
  /// In 8 bits, the UNet's layers have whole numbers with a scale for each output, rounded once; a
  /// quarter of float32's memory. On a CPU only.
  WeightsChoice weights = WeightsChoice::kAuto;
  bool exact_convolutions = false;  // sums of products alone, no Winograd; on a CPU
  /// One part of the model in memory at a time (text encoder, UNet, autoencoder), each loaded when
  /// it is needed; on a CPU of a large one about 1.2 GB, whose other layers are read in every step.
  bool low_memory = false;
  /// On a GPU the weights are brought there while the model is used already; a drawing waits for
  /// the part that it needs, and throws what stopped the loading. Whoever calls the model's parts
  /// by themselves must not ask for it.
  bool in_background = false;
  int threads = 0;  // 0: physical cores
  ProgressCallback on_progress;

  ModelFiles files() const { return {checkpoint, config, separate, prediction}; }
};

/// A model ready to draw; immutable, may be shared between requests and threads. Weights of a part
/// that is not in use may be out of memory: drawing loads them again from the files, which must
/// stay as they are.
struct LoadedModel {
  std::shared_ptr<LatentDiffusionImpl> model;
  std::shared_ptr<ModelParts> parts;       // null: all weights stay
  std::shared_ptr<RecordedUNet> recorded;  // the UNet on a GPU; null elsewhere
  std::shared_ptr<NetworkLayers> layers;   // for LoRAs of some rows or steps of a batch
  /// Decodes, and encodes where it can, in the autoencoder's place; null: it does not.
  std::shared_ptr<TaesdImpl> taesd;
  std::shared_ptr<const Tokenizer> tokenizer;
  ModelConfig config;               // its prediction is settled
  bool prediction_assumed = false;  // nothing but a guess by its weights says what it predicts
  std::filesystem::path main_file;  // what the hash is taken of
  std::filesystem::path vae_file, clip_file;   // likewise of parts from elsewhere, else empty
  std::string format;                          // "ckpt", "safetensors", "diffusers"
  std::string device;                          // "cpu", "cuda:0"
  std::string dtype;                           // "f32", "bf16", "f16"
  torch::Dtype compute_dtype = torch::kFloat;  // of activations; weights may be held narrower
  torch::Dtype weights_dtype = torch::kFloat;
  ModelFiles files;       // what it was loaded from
  bool uses_ema = false;  // its averaged weights
};

/// Opens, detects, checks and loads a model. It also makes LibTorch fast in this process. It sets
/// the number of threads (`threads`), and it lets waiting threads sleep soon: threads that wait in
/// loops become many times slower when another program is busy. To that end a few threads stand by
/// asleep. OMP_WAIT_POLICY or GOMP_SPINCOUNT in the environment win over this. Throws IoError,
/// CheckpointError, UsageError (config contradicts weights, no such device) or OutOfMemory.
LoadedModel load_model(const LoadRequest& request);
/// A model's file or folder on the best device that is there, in that device's usual precision.
LoadedModel load_model(const std::filesystem::path& checkpoint);

}  // namespace sd
