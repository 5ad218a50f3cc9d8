#pragma once

namespace sd {

/// Part of the steps after which guides leave latents alone: Attend-and-Excite and BoxDiff, and box
/// guidance by backward steps.
inline constexpr double kRefiningUntil = 0.5;
inline constexpr double kBoxGuidanceUntil = 0.2;
/// The loss below which box guidance by backward steps moves nothing.
inline constexpr double kBoxGuidanceEnough = 0.2;
/// Box guidance looks at the middle where that has so many pixels a side.
inline constexpr int kBoxGuidanceLeastSide = 8;

}  // namespace sd
