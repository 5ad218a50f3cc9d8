#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "sd/core/compute.h"
#include "sd/pipeline/inspect.h"

namespace sd::train {

/// How the learning rate goes on behind the warm-up.
enum class RateSchedule {
  kConstant,
  kLinear,  // down to 0 at the last step
  kCosine,  // likewise, half a cosine
};

/// What training beside a model's weights has in common, whatever is trained.
struct AdapterSettings {
  ModelFiles model;
  std::filesystem::path data;          // pictures with captions
  std::filesystem::path prior;         // pictures of what the model is to keep; empty: none
  std::filesystem::path out;           // what is written in the end
  std::filesystem::path work;          // state, latents and log
  std::optional<std::string> caption;  // of pictures without
  int64_t resolution = 0;              // side of the pictures in pixels; 0: the model's own
  int64_t batch = 2;
  int64_t steps = 1500;
  int64_t seed = 1;
  double learning_rate = 1e-4;
  RateSchedule schedule = RateSchedule::kConstant;
  int64_t warmup = 0;          // steps
  double caption_dropout = 0;  // share of pictures that are shown with the empty caption
  double noise_offset = 0;     // weight of noise that is the same in all pixels
  double min_snr = 0;          // gamma (arXiv:2303.09556); 0: all timesteps count alike
  bool debiased = false;       // timesteps count 1 / sqrt(SNR) (arXiv:2310.08442): noisy ones most
  double prior_weight = 1;     // of the loss of pictures in `prior`
  int64_t save_every = 0;      // steps between files on the way; 0: none
  DTypeChoice dtype = DTypeChoice::kAuto;  // of activations; what is trained is float32
};

/// The learning rate of a step, counted from 0.
double rate_at(const AdapterSettings& settings, int64_t step);

/// Which layers a LoRA is trained for.
enum class LoraTargets {
  kAttention,  // queries, keys, values and outputs
  kAll,        // all of the transformers
};

struct LoraSettings : AdapterSettings {
  int64_t rank = 8;
  double alpha = 8;
  LoraTargets targets = LoraTargets::kAll;
  bool text_encoder = false;  // its layers too
  bool convolutions = false;  // residual blocks and what changes the size, too
};

struct EmbeddingSettings : AdapterSettings {
  std::string word;   // that is to be learnt
  std::string begin;  // words whose vectors it begins with
  int64_t vectors = 1;
};

}  // namespace sd::train
