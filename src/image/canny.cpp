#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "image/checks.h"
#include "sd/core/error.h"
#include "sd/image/preprocess.h"

namespace sd {
namespace {

/// tan(22.5°) in 1/2^15, as OpenCV rounds it.
constexpr int64_t kTangentShift = 15;
constexpr int64_t kTangent = 13573;

/// Gradients of one picture: of each pixel those of the channel where |dx| + |dy| is largest.
struct Gradients {
  int64_t width, height;
  std::vector<int16_t> dx, dy;
  std::vector<int32_t> magnitude;  // with a border of zeros: (width + 2) a row

  std::size_t at(int64_t x, int64_t y) const { return static_cast<std::size_t>(y * width + x); }
  int32_t of(int64_t x, int64_t y) const {
    return magnitude[static_cast<std::size_t>((y + 1) * (width + 2) + x + 1)];
  }
};

Gradients gradients_of(const Image& picture) {
  Gradients found{picture.width, picture.height, {}, {}, {}};
  const auto pixels = static_cast<std::size_t>(picture.width * picture.height);
  found.dx.resize(pixels);
  found.dy.resize(pixels);
  found.magnitude.resize(static_cast<std::size_t>((picture.width + 2) * (picture.height + 2)));
  const int64_t channels = picture.channels, stride = picture.width * channels;
  for (int64_t y = 0; y < picture.height; ++y) {
    const uint8_t* above = picture.pixels.data() + std::max<int64_t>(y - 1, 0) * stride;
    const uint8_t* here = picture.pixels.data() + y * stride;
    const uint8_t* below = picture.pixels.data() + std::min(y + 1, picture.height - 1) * stride;
    for (int64_t x = 0; x < picture.width; ++x) {
      const int64_t left = std::max<int64_t>(x - 1, 0) * channels;
      const int64_t right = std::min(x + 1, picture.width - 1) * channels;
      int most = -1;
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t l = left + c, m = x * channels + c, r = right + c;
        const int dx = above[r] - above[l] + 2 * (here[r] - here[l]) + below[r] - below[l];
        const int dy = below[l] - above[l] + 2 * (below[m] - above[m]) + below[r] - above[r];
        const int magnitude = std::abs(dx) + std::abs(dy);
        if (magnitude <= most) continue;
        most = magnitude;
        found.dx[found.at(x, y)] = static_cast<int16_t>(dx);
        found.dy[found.at(x, y)] = static_cast<int16_t>(dy);
      }
      found.magnitude[static_cast<std::size_t>((y + 1) * (picture.width + 2) + x + 1)] = most;
    }
  }
  return found;
}

/// Whether a pixel is the largest along its gradient, in one of four directions.
bool is_ridge(const Gradients& gradients, int64_t x, int64_t y) {
  const int32_t own = gradients.of(x, y);
  const int64_t dx = gradients.dx[gradients.at(x, y)], dy = gradients.dy[gradients.at(x, y)];
  const int64_t rise = std::abs(dy) << kTangentShift;
  const int64_t flat = std::abs(dx) * kTangent;
  if (rise < flat) return own > gradients.of(x - 1, y) && own >= gradients.of(x + 1, y);
  if (rise > flat + (std::abs(dx) << (kTangentShift + 1)))
    return own > gradients.of(x, y - 1) && own >= gradients.of(x, y + 1);
  const int64_t side = (dx < 0) != (dy < 0) ? -1 : 1;
  return own > gradients.of(x - side, y - 1) && own > gradients.of(x + side, y + 1);
}

}  // namespace

Image canny(const Image& picture, int64_t low, int64_t high) {
  check_picture(picture, "picture to find edges in");
  if (picture.channels == 4) throw UsageError("picture to find edges in: expected grey or RGB");
  if (low > high) std::swap(low, high);
  const auto gradients = gradients_of(picture);
  enum : uint8_t { kNo, kMaybe, kEdge = 255 };
  Image edges{picture.width, picture.height, 1, {}};
  edges.pixels.resize(static_cast<std::size_t>(picture.width * picture.height), kNo);
  std::vector<std::pair<int64_t, int64_t>> open;
  for (int64_t y = 0; y < picture.height; ++y) {
    for (int64_t x = 0; x < picture.width; ++x) {
      if (gradients.of(x, y) <= low || !is_ridge(gradients, x, y)) continue;
      const bool sure = gradients.of(x, y) > high;
      edges.pixels[gradients.at(x, y)] = sure ? kEdge : kMaybe;
      if (sure) open.emplace_back(x, y);
    }
  }
  while (!open.empty()) {
    const auto [x, y] = open.back();
    open.pop_back();
    for (int64_t v = std::max<int64_t>(y - 1, 0); v <= std::min(y + 1, picture.height - 1); ++v) {
      for (int64_t u = std::max<int64_t>(x - 1, 0); u <= std::min(x + 1, picture.width - 1); ++u) {
        auto& neighbour = edges.pixels[gradients.at(u, v)];
        if (neighbour != kMaybe) continue;
        neighbour = kEdge;
        open.emplace_back(u, v);
      }
    }
  }
  for (auto& value : edges.pixels) value = value == kEdge ? 255 : 0;
  return edges;
}

}  // namespace sd
