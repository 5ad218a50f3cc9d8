#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "sd/pipeline/draw.h"

namespace sd {

/// What DiffEdit's mask is made from. The defaults are those of the published code.
struct AutoMaskRequest : DrawSettings {
  AutoMaskRequest() = default;
  explicit AutoMaskRequest(const DrawSettings& settings) : DrawSettings(settings) {}

  std::string source;           // what the picture shows; may be empty
  std::string target;           // what it is to show
  torch::Tensor init_image;     // [1,3,H,W] in [-1,1]
  int64_t noises = 10;          // with which the picture is looked at
  double noise_strength = 0.5;  // how noisy: from 0, not at all, to 1
  double clamp = 3;             // times the mean: what differs by more counts as much
  double threshold = 0.5;       // of the largest difference
};

/// Where a picture is to change for a prompt to hold in place of another: [1,1,h,w] of zeros and
/// ones (DiffEdit, arXiv:2210.11427, section 3.2, step 1). The mean of |ε_target − ε_source| over
/// noises and channels, clamped, in shares of its maximum, above the threshold. Guidance would
/// multiply all differences alike, so there is none. Throws UsageError where the prompts predict
/// the same everywhere, Cancelled, OutOfMemory.
torch::Tensor auto_mask(const LoadedModel& model, const AutoMaskRequest& request,
                        NoiseSource& noise);

}  // namespace sd
