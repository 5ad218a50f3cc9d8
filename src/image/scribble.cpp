#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "image/checks.h"
#include "image/gaussian.h"
#include "sd/core/error.h"
#include "sd/image/preprocess.h"
#include "sd/image/resize.h"

namespace sd {
namespace {

/// A picture blurred as cv2.GaussianBlur blurs float32: kernel of round(8σ + 1)|1 values.
std::vector<float> blurred(const Image& picture, double sigma) {
  const auto size = static_cast<int64_t>(std::nearbyint(sigma * 4 * 2 + 1)) | 1;
  const auto exact = gaussian_kernel(size, sigma);
  const std::vector<float> kernel(exact.begin(), exact.end());
  const int64_t reach = size / 2, width = picture.width, height = picture.height;
  const int64_t channels = picture.channels, stride = width * channels;
  std::vector<float> rows(picture.pixels.size()), out(picture.pixels.size());
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t i = 0; i < stride; ++i) {
      double sum = 0;
      for (int64_t k = -reach; k <= reach; ++k) {
        const auto from = y * stride + mirrored(i / channels + k, width) * channels + i % channels;
        sum += double{kernel[static_cast<std::size_t>(k + reach)]} *
               picture.pixels[static_cast<std::size_t>(from)];
      }
      rows[static_cast<std::size_t>(y * stride + i)] = static_cast<float>(sum);
    }
  }
  std::vector<double> sums(static_cast<std::size_t>(stride));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0);
    for (int64_t k = -reach; k <= reach; ++k) {
      const float* row = rows.data() + mirrored(y + k, height) * stride;
      const double weight = kernel[static_cast<std::size_t>(k + reach)];
      for (int64_t i = 0; i < stride; ++i)
        sums[static_cast<std::size_t>(i)] += weight * double{row[i]};
    }
    std::transform(sums.begin(), sums.end(), out.begin() + y * stride,
                   [](double sum) { return static_cast<float>(sum); });
  }
  return out;
}

/// SplitMix64 (Steele, Lea, Flood 2014): the next number of [0, 1).
double uniform(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/// A smooth random field of height x width values that spans 0 to 1.
std::vector<float> random_field(int64_t height, int64_t width, int64_t cell, uint64_t& state) {
  const int64_t rows = height / cell + 2, columns = width / cell + 2;
  std::vector<float> numbers;
  for (int64_t i = 0; i < rows * columns; ++i)
    numbers.push_back(static_cast<float>(uniform(state)));
  const int64_t wide = width + 2 * cell;
  const auto smooth = resize_map(numbers, rows, columns, height + 2 * cell, wide, Filter::kBicubic);
  std::vector<float> field;
  for (int64_t y = 0; y < height; ++y) {
    const auto row = smooth.begin() + (y + cell) * wide + cell;
    field.insert(field.end(), row, row + width);
  }
  const auto [least, most] = std::minmax_element(field.begin(), field.end());
  const float from = *least, span = std::max(*most - *least, 1e-12F);
  for (auto& value : field) value = (value - from) / span;
  return field;
}

/// A channel of a picture between its pixels, bilinearly.
uint8_t sample(const Image& picture, double x, double y, int64_t channel) {
  const auto left = std::min(static_cast<int64_t>(x), picture.width - 1);
  const auto top = std::min(static_cast<int64_t>(y), picture.height - 1);
  const int64_t right = std::min(left + 1, picture.width - 1);
  const int64_t bottom = std::min(top + 1, picture.height - 1);
  const double u = x - static_cast<double>(left), v = y - static_cast<double>(top);
  const auto at = [&](int64_t column, int64_t row) {
    return static_cast<double>(picture.pixels[static_cast<std::size_t>(
        (row * picture.width + column) * picture.channels + channel)]);
  };
  const double upper = (1 - u) * at(left, top) + u * at(right, top);
  const double lower = (1 - u) * at(left, bottom) + u * at(right, bottom);
  return static_cast<uint8_t>(std::lround((1 - v) * upper + v * lower));
}

}  // namespace

Image scribble(const Image& picture, int64_t threshold) {
  check_picture(picture, "picture to find lines in");
  const auto fine = blurred(picture, 0.5), coarse = blurred(picture, 5.0);
  Image lines{picture.width, picture.height, 1, {}};
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t i = 0; i < fine.size(); i += channels) {
    float least = coarse[i] - fine[i];
    for (std::size_t c = 1; c < channels; ++c) least = std::min(least, coarse[i + c] - fine[i + c]);
    const auto difference = 255 - static_cast<int64_t>(std::clamp(255.0F - least, 0.0F, 255.0F));
    lines.pixels.push_back(2 * difference > threshold ? 255 : 0);
  }
  return lines;
}

Image shuffle(const Image& picture, uint64_t seed, int64_t cell) {
  check_picture(picture, "picture to shuffle");
  if (cell < 1 || cell > 10'000) {
    throw UsageError(fmt::format("shuffle: cells of {} pixels, expected 1 to 10000", cell));
  }
  uint64_t state = seed;
  const auto across = random_field(picture.height, picture.width, cell, state);
  const auto down = random_field(picture.height, picture.width, cell, state);
  Image warped = picture;
  auto value = warped.pixels.begin();
  for (std::size_t i = 0; i < across.size(); ++i) {
    const double x = double{across[i]} * static_cast<double>(picture.width - 1);
    const double y = double{down[i]} * static_cast<double>(picture.height - 1);
    for (int64_t c = 0; c < picture.channels; ++c) *value++ = sample(picture, x, y, c);
  }
  return warped;
}

}  // namespace sd
