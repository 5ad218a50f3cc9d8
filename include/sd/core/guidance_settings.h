#pragma once

#include "sd/core/added_guidance.h"
#include "sd/core/step_share.h"

namespace sd {

/// How predictions are guided, as options, requests and the denoiser have it alike: what is added
/// here reaches the denoiser by itself.
struct GuidanceSettings {
  double guidance_scale = 7.5;  // 1: no guidance, conditional rows only
  /// φ, 0 to 1: how far the guided prediction's standard deviation is drawn back to that of the
  /// conditional one (arXiv:2305.08891, section 3.4). 0: not at all.
  double guidance_rescale = 0;
  /// The steps that are guided, 0 <= begin <= end <= 1 (arXiv:2404.07724). In the others every
  /// scale is 1, and only the conditional rows are computed.
  StepShare guidance_interval = {};
  AddedGuidance added = {};
};

}  // namespace sd
