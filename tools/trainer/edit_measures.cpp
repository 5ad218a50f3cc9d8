#include "trainer/edit_measures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "sd/core/error.h"

namespace sd::train {
namespace {

constexpr int64_t kRadius = 5;
constexpr double kSigma = 1.5;
constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;

using Channel = std::vector<double>;

std::array<double, 2 * kRadius + 1> gaussian() {
  std::array<double, 2 * kRadius + 1> window{};
  double sum = 0;
  for (int64_t i = -kRadius; i <= kRadius; ++i) {
    const double x = static_cast<double>(i) / kSigma;
    sum += window[static_cast<std::size_t>(i + kRadius)] = std::exp(-x * x / 2);
  }
  for (auto& value : window) value /= sum;
  return window;
}

/// -1 is 1, size is size - 2.
int64_t mirrored(int64_t i, int64_t size) {
  if (i < 0) i = -i;
  return i < size ? i : 2 * size - 2 - i;
}

/// One dimension of the window: `step` between neighbours of a line of `size`.
Channel blurred_along(const Channel& plane, int64_t size, int64_t step) {
  static const auto window = gaussian();
  Channel blurred(plane.size());
  for (int64_t at = 0; at < static_cast<int64_t>(plane.size()); ++at) {
    const int64_t place = at / step % size;
    double sum = 0;
    for (int64_t i = -kRadius; i <= kRadius; ++i) {
      const int64_t from = at + (mirrored(place + i, size) - place) * step;
      sum += window[static_cast<std::size_t>(i + kRadius)] * plane[static_cast<std::size_t>(from)];
    }
    blurred[static_cast<std::size_t>(at)] = sum;
  }
  return blurred;
}

Channel blurred(const Channel& plane, int64_t width, int64_t height) {
  return blurred_along(blurred_along(plane, width, 1), height, width);
}

Channel product(const Channel& a, const Channel& b) {
  Channel products(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) products[i] = a[i] * b[i];
  return products;
}

Channel values_of(const Image& image, std::size_t channel) {
  Channel plane;
  for (std::size_t i = channel; i < image.pixels.size(); i += 3)
    plane.push_back(image.pixels[i] / 255.0);
  return plane;
}

/// Of one channel, at each pixel.
Channel similarity(const Channel& a, const Channel& b, int64_t width, int64_t height) {
  const auto blur = [&](const Channel& plane) { return blurred(plane, width, height); };
  const auto mean_a = blur(a), mean_b = blur(b);
  const auto of_a = blur(product(a, a)), of_b = blur(product(b, b)), of_both = blur(product(a, b));
  Channel similar(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double square_a = mean_a[i] * mean_a[i], square_b = mean_b[i] * mean_b[i];
    const double mean = mean_a[i] * mean_b[i];
    const double variances = std::max(of_a[i] - square_a, 0.0) + std::max(of_b[i] - square_b, 0.0);
    similar[i] = (2 * mean + kC1) * (2 * (of_both[i] - mean) + kC2) /
                 ((square_a + square_b + kC1) * (variances + kC2));
  }
  return similar;
}

}  // namespace

PixelMask outside_of(const std::vector<PixelBox>& boxes, double margin, int64_t width,
                     int64_t height) {
  PixelMask counts;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const double middle_x = static_cast<double>(x) + 0.5, middle_y = static_cast<double>(y) + 0.5;
      const bool inside = std::ranges::any_of(boxes, [&](const PixelBox& box) {
        return middle_x > box.left - margin && middle_x < box.right + margin &&
               middle_y > box.top - margin && middle_y < box.bottom + margin;
      });
      counts.push_back(inside ? 0 : 1);
    }
  }
  return counts;
}

PixelBox box_of(const std::vector<uint8_t>& mask, int64_t width, int64_t least) {
  PixelBox box{1e9, 1e9, -1e9, -1e9};
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] <= least) continue;
    const auto x = static_cast<double>(static_cast<int64_t>(i) % width);
    const auto y = static_cast<double>(static_cast<int64_t>(i) / width);
    box = {std::min(box.left, x), std::min(box.top, y), std::max(box.right, x + 1),
           std::max(box.bottom, y + 1)};
  }
  return box.right < box.left ? PixelBox{} : box;
}

Nearness nearness(const Image& a, const Image& b, const PixelMask& counts) {
  const auto pixels = static_cast<std::size_t>(a.width * a.height);
  if (a.width != b.width || a.height != b.height || a.channels != 3 || b.channels != 3 ||
      counts.size() != pixels || std::min(a.width, a.height) <= kRadius) {
    throw UsageError("pictures are compared that are not RGB, of one size or larger than 5 pixels");
  }
  const auto counted = static_cast<double>(std::ranges::count(counts, uint8_t{1}));
  if (counted == 0) throw UsageError("pictures are compared in no pixel");
  Nearness near;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const auto of_a = values_of(a, channel), of_b = values_of(b, channel);
    const auto similar = similarity(of_a, of_b, a.width, a.height);
    for (std::size_t i = 0; i < pixels; ++i) {
      if (counts[i] == 0) continue;
      near.mse += (of_a[i] - of_b[i]) * (of_a[i] - of_b[i]) / (3 * counted);
      near.ssim += similar[i] / (3 * counted);
    }
  }
  near.psnr = near.mse == 0 ? Nearness::kMostPsnr
                            : std::min(Nearness::kMostPsnr, -10 * std::log10(near.mse));
  return near;
}

void Mean::add(double value) {
  const double before = value - mean_;
  mean_ += before / static_cast<double>(++count_);
  squares_ += before * (value - mean_);
}

double Mean::error() const {
  if (count_ < 2) return 0;
  return std::sqrt(squares_ / static_cast<double>(count_ - 1) / static_cast<double>(count_));
}

}  // namespace sd::train
