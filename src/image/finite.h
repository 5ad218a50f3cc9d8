#pragma once

#include <cmath>

namespace sd {

/// What a value of a heat map counts as.
inline float finite(float value) { return std::isfinite(value) ? value : 0.0F; }

}  // namespace sd
