#pragma once

namespace sd {

inline constexpr double kUNetNormEps = 1e-5;  // GroupNorm32 of guided diffusion

}  // namespace sd
