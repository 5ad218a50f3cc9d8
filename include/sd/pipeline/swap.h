#pragma once

#include <string>
#include <vector>

#include "sd/pipeline/draw.h"

namespace sd {

/// Targets drawn beside a source that starts from the same latents. What the targets take from the
/// source is the controller's affair (sd/control/): without one, all are plain pictures.
struct SwapRequest : DrawSettings {
  std::vector<std::vector<std::string>> targets;  // [T][N] prompts
  std::vector<std::string> source;                // [N] prompts; none: the targets alone
  std::optional<torch::Tensor> init_image;        // see DrawRequest
  double strength = 0.75;                         // with an input picture only
  std::optional<torch::Tensor> mask;              // see DrawRequest
  std::optional<torch::Tensor> pixel_mask;
};

/// One branch's share of a batch.
struct BranchResult {
  torch::Tensor latents;        // [N,4,h,w] float32 on the CPU
  std::vector<Image> pictures;  // N, or none when decode is off
};

struct SwapResult {
  std::vector<BranchResult> targets;  // T
  BranchResult source;                // undefined latents without a source
  DrawTiming timing;
};

/// Draws one source and its targets. Without an input picture the last `steps` steps of the
/// schedule run, as in the fork: 30 steps start one below the top of the 31. Errors as `draw`.
SwapResult draw_swap(const LoadedModel& model, const SwapRequest& request, NoiseSource& noise);

}  // namespace sd
