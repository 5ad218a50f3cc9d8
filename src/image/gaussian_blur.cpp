#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "image/checks.h"
#include "image/gaussian.h"
#include "sd/core/error.h"
#include "sd/image/preprocess.h"

namespace sd {
namespace {

constexpr int kFraction = 8;  // bits of a kernel's values, as of OpenCV's fixed-point Gaussian
constexpr double kMostSigma = 1000;

/// The kernel in 1/256. What rounding leaves of one value goes to the next, and what the sides
/// leave of 1 to the centre, so that values add up to 1.
std::vector<int32_t> fixed_kernel(double sigma) {
  const auto size = static_cast<int64_t>(std::nearbyint(sigma * 3 * 2 + 1)) | 1;
  const auto kernel = gaussian_kernel(size, sigma);
  std::vector<int32_t> fixed(kernel.size());
  const auto centre = kernel.size() / 2;
  double error = 0;
  int32_t sum = 0;
  for (std::size_t i = 0; i < centre; ++i) {
    const double value = std::ldexp(kernel[i], kFraction) + error;
    const double rounded = std::nearbyint(value);
    error = value - rounded;
    fixed[i] = fixed[kernel.size() - 1 - i] = static_cast<int32_t>(rounded);
    sum += fixed[i];
  }
  fixed[centre] = (1 << kFraction) - 2 * sum;
  return fixed;
}

}  // namespace

Image gaussian_blur(const Image& picture, double sigma) {
  check_picture(picture, "picture to blur");
  if (!(sigma > 0 && sigma <= kMostSigma)) {
    throw UsageError(
        fmt::format("blur of sigma {}, expected more than 0 up to {} pixels", sigma, kMostSigma));
  }
  const auto kernel = fixed_kernel(sigma);
  const auto reach = static_cast<int64_t>(kernel.size()) / 2;
  const int64_t width = picture.width, height = picture.height, channels = picture.channels;
  const int64_t stride = width * channels;
  std::vector<uint16_t> rows(picture.pixels.size());  // blurred along x, in 1/256
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = picture.pixels.data() + y * stride;
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        int32_t sum = 0;
        for (int64_t k = -reach; k <= reach; ++k)
          sum += kernel[static_cast<std::size_t>(k + reach)] *
                 row[mirrored(x + k, width) * channels + c];
        rows[static_cast<std::size_t>(y * stride + x * channels + c)] = static_cast<uint16_t>(sum);
      }
    }
  }
  Image blurred = picture;
  std::vector<int32_t> sums(static_cast<std::size_t>(stride));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (2 * kFraction - 1));
    for (int64_t k = -reach; k <= reach; ++k) {
      const uint16_t* row = rows.data() + mirrored(y + k, height) * stride;
      const int32_t weight = kernel[static_cast<std::size_t>(k + reach)];
      for (int64_t i = 0; i < stride; ++i) sums[static_cast<std::size_t>(i)] += weight * row[i];
    }
    std::transform(sums.begin(), sums.end(), blurred.pixels.begin() + y * stride, [](int32_t sum) {
      return static_cast<uint8_t>(std::min(sum >> (2 * kFraction), 255));
    });
  }
  return blurred;
}

}  // namespace sd
