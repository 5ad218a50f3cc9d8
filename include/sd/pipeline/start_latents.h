#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>

#include "sd/pipeline/run_noise.h"

namespace sd {

/// What the batches of a run start from.
struct StartRule {
  std::optional<torch::Tensor> given;  // [N,channels,height,width], taken in turn
  bool fixed = false;                  // every batch alike: drawn once, or the first of `given`
  int64_t samples = 1;                 // of a batch, that a fixed draw is for
  bool shared = false;                 // if fixed, one start for all samples
};

/// What each batch of a run starts from: given rows, one draw for all batches, or fresh noise.
class StartLatents {
 public:
  /// Latents of [channels, height, width] each. Throws UsageError if those given have another
  /// shape.
  StartLatents(StartRule rule, std::array<int64_t, 3> shape);

  /// Start [count,4,h,w] float32 of the batch whose first picture is number `first` of the run;
  /// nothing when the sampler is to draw it from `noise`.
  std::optional<torch::Tensor> batch(int64_t first, int64_t count, RunNoise& noise);

 private:
  StartRule rule_;
  std::array<int64_t, 3> shape_;
  std::optional<torch::Tensor> drawn_;  // [samples or 1,4,h,w]
};

}  // namespace sd
