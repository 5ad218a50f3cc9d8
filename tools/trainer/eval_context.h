#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sd/pipeline/load.h"
#include "trainer/classifier.h"
#include "trainer/scene.h"

namespace sd::train {

/// What all measurements of a model share.
struct EvalContext {
  const LoadedModel& model;
  Classifier& classifier;
  const SceneGenerator& scenes;
  std::function<void(const std::string&)> say;
  std::function<bool()> stop_requested;  // Ctrl-C: Cancelled is thrown between batches
  std::vector<int> kinds;                // the only objects asked for; empty: all
};

/// How pictures are drawn for measuring: DDIM.
inline constexpr int64_t kEvalSteps = 25;
inline constexpr double kEvalGuidance = 5;

/// Prompts `begin` to `begin` + count - 1 are one batch.
inline constexpr int64_t kEvalBatch = 16;

/// Start latents [count,4,h,w] of pictures begin to begin + count - 1: each of its own seed, so
/// that batches do not matter.
torch::Tensor eval_start(const LoadedModel& model, int64_t begin, int64_t count);

/// Throws Cancelled if the user asked to stop.
void check_stop(const EvalContext& context);

}  // namespace sd::train
