#pragma once

namespace sd {

/// How predictions are guided, as options, requests and the denoiser have it alike: what is added
/// here reaches the denoiser by itself.
struct GuidanceSettings {
  double guidance_scale = 7.5;  // 1: no guidance, conditional rows only
};

}  // namespace sd
