#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "trainer/recipe.h"

namespace sd::train {

/// One measured moment of a stage.
struct TrainPoint {
  std::string stage;
  int64_t step = 0;
  int64_t pictures = 0;
  int64_t total_pictures = 0;
  double pictures_per_second = 0;
  double learning_rate = 0;
  double gradient_norm = 0;
  std::vector<std::pair<std::string, double>> losses;  // means since the last point
};

/// What all stages share: the recipe, the folder they write to and how they report.
struct RunContext {
  Recipe recipe;
  std::filesystem::path folder;  // states, caches, log and sheets
  std::filesystem::path font;
  torch::Device device = torch::kCPU;             // that the networks are trained on
  std::function<void(const std::string&)> say;    // a line for people
  std::function<void(const TrainPoint&)> report;  // the log and the progress line
  std::function<bool()> stop_requested;           // Ctrl-C: save the state and end
};

}  // namespace sd::train
