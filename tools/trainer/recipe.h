#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sd/core/model_config.h"
#include "trainer/optimizer.h"

namespace sd::train {

/// Learning rate over a stage: warm-up, plateau, then a straight line down to `final_share` of it.
struct LearningRate {
  double peak = 1e-3;
  int64_t warmup_steps = 200;
  double decay_from = 0.7;  // share of the stage at which the way down begins
  double final_share = 0.05;

  double at(double share, int64_t step) const;  // share of the stage that is done, in [0,1]
};

struct VaeStage {
  int64_t pictures = 400'000;
  int64_t batch = 32;
  int64_t crop = 64;        // pixels a side while pictures are crops
  double whole_from = 0.8;  // share of the stage from which whole pictures are used
  int64_t whole_batch = 8;  // pictures a batch then
  double gradient_weight = 0.5;
  double kl_weight = 1e-6;
  LearningRate learning_rate;
};

struct LatentStage {
  int64_t scenes = 80'000;
  int64_t chunk = 8'000;  // scenes a file
};

struct UNetStage {
  int64_t pictures = 3'000'000;
  int64_t batch = 64;
  double muon_rate = 0;  // learning rate of hidden layers' matrices as a multiple; 0: AdamW for all
  double offset_noise = 0.1;
  double timestep_power = 0.75;  // t = 1000 u^power
  double max_loss_weight = 60;
  double attention_weight = 0.03;
  double attention_final_share = 0.33;  // of that weight, in the last 30 %
  double place_weight = 0;              // of place_loss
  LearningRate learning_rate;
};

/// Everything that decides a training run besides the pictures' font.
struct Recipe {
  ModelConfig model;
  std::filesystem::path model_yaml;  // copied beside the exported weights
  uint64_t seed = 0;
  OptimizerSettings optimizer;
  VaeStage vae;
  LatentStage latents;
  UNetStage unet;
  int64_t state_every_seconds = 300;
  int64_t sheet_every_seconds = 1200;
  std::vector<std::string> sheet_prompts;
};

/// Reads a recipe. Throws IoError, or UsageError naming file, line and key.
Recipe read_recipe(const std::filesystem::path& path);

}  // namespace sd::train
