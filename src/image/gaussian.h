#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace sd {

/// A normalised Gaussian of `size` values (odd), as OpenCV's getGaussianKernel computes it.
inline std::vector<double> gaussian_kernel(int64_t size, double sigma) {
  std::vector<double> kernel;
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    const auto x = static_cast<double>(2 * i + 1 - size);
    kernel.push_back(std::exp(-0.125 / (sigma * sigma) * x * x));
    sum += kernel.back();
  }
  for (auto& value : kernel) value /= sum;
  return kernel;
}

/// Where a pixel beyond an edge is looked for: mirrored, the edge itself not repeated
/// (BORDER_REFLECT_101).
inline int64_t mirrored(int64_t at, int64_t length) {
  if (length == 1) return 0;
  const int64_t period = 2 * (length - 1);
  at = std::abs(at) % period;
  return at < length ? at : period - at;
}

}  // namespace sd
