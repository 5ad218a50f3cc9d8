#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>

#include "cli/draw/run_noise.h"
#include "cli/options/draw_options.h"

namespace sd::cli {

/// What each batch of a run starts from: rows of `--init-latents`, the one draw of `--fixed_code`,
/// or fresh noise.
class StartLatents {
 public:
  /// Latents of [channels, height, width] each. Reads `--init-latents`. Throws IoError if the file
  /// cannot be read, UsageError if its shape does not fit.
  StartLatents(const DrawOptions& options, std::array<int64_t, 3> shape);

  /// Start [count,4,h,w] float32 of the batch whose first picture is number `first` of the run;
  /// nothing when the sampler is to draw it. `--fixed_code` starts every batch alike: it draws once
  /// from `noise`, [n_samples,4,h,w]; in a swap, as in the fork, one start for all samples.
  std::optional<torch::Tensor> batch(int64_t first, int64_t count, RunNoise& noise);

 private:
  std::array<int64_t, 3> shape_;
  int64_t n_samples_;
  bool fixed_code_;
  bool one_start_;                      // for all samples of a batch
  std::optional<torch::Tensor> given_;  // [N,4,h,w]
  std::optional<torch::Tensor> drawn_;  // [n_samples or 1,4,h,w]
};

}  // namespace sd::cli
