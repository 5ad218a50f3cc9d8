#include "trainer/box_refinement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "sd/core/error.h"
#include "trainer/emoji_sprite.h"
#include "trainer/scene.h"

namespace sd::train {
namespace {

constexpr int kAllCells = kCells * kCells;
constexpr int kLeastFreeCells = 8;
// Delta E*ab from which a pixel is not background: where an object ends, a blurred edge has half of
// its contrast, and objects whose contrast is below twice this do not come up (SceneGenerator).
constexpr double kStandsOut = 16;
// A row or column belongs to the object from this many pixels on: one may be noise.
constexpr int kLeastPixels = 2;

constexpr int kFree = -1;

/// For each cell the object that it or most cells around it belong to, or kFree.
using Owners = std::array<int, kAllCells>;

Owners owners_of(const PictureReading& reading) {
  Owners known;
  known.fill(kFree);
  for (std::size_t i = 0; i < reading.objects.size(); ++i) {
    for (const int cell : reading.objects[i].cells) {
      known[static_cast<std::size_t>(cell)] = static_cast<int>(i);
    }
  }
  auto owners = known;
  std::vector<int> votes(reading.objects.size());
  for (int cell = 0; cell < kAllCells; ++cell) {
    auto& owner = owners[static_cast<std::size_t>(cell)];
    if (owner != kFree) continue;
    std::fill(votes.begin(), votes.end(), 0);
    const int x = cell % kCells, y = cell / kCells;
    for (int v = std::max(0, y - 1); v <= std::min(kCells - 1, y + 1); ++v) {
      for (int u = std::max(0, x - 1); u <= std::min(kCells - 1, x + 1); ++u) {
        const int near = known[static_cast<std::size_t>(v * kCells + u)];
        if (near != kFree) ++votes[static_cast<std::size_t>(near)];
      }
    }
    const auto most = std::max_element(votes.begin(), votes.end());
    if (most != votes.end() && *most > 0) owner = static_cast<int>(most - votes.begin());
  }
  return owners;
}

/// A colour that changes evenly over the picture: base + across * x + down * y.
struct Plane {
  std::array<double, 3> base{}, across{}, down{};

  Rgb at(int x, int y) const {
    Rgb colour{};
    for (std::size_t c = 0; c < 3; ++c) {
      colour[c] = static_cast<float>(std::clamp(base[c] + across[c] * x + down[c] * y, 0.0, 255.0));
    }
    return colour;
  }
};

class Refinement {
 public:
  Refinement(const PictureReading& reading, const Image& picture)
      : picture_(picture), owners_(owners_of(reading)), background_(fit_background()) {}

  void apply(FoundObject& object, int index) const {
    if (!background_) return;
    std::array<int, kSceneSide> columns{}, rows{};
    for (int y = 0; y < kSceneSide; ++y) {
      for (int x = 0; x < kSceneSide; ++x) {
        if (owner(x, y) != index || !stands_out(x, y)) continue;
        ++columns[static_cast<std::size_t>(x)];
        ++rows[static_cast<std::size_t>(y)];
      }
    }
    const auto across = edges_of(columns), down = edges_of(rows);
    if (!across || !down) return;
    object.box = {across->first, down->first, across->second, down->second};
  }

 private:
  int owner(int x, int y) const {
    return owners_[static_cast<std::size_t>(y / kCellPixels * kCells + x / kCellPixels)];
  }

  Rgb pixel(int x, int y) const {
    const auto* p = picture_.pixels.data() + (static_cast<std::ptrdiff_t>(y) * kSceneSide + x) * 3;
    return {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2])};
  }

  bool stands_out(int x, int y) const {
    return colour_distance(pixel(x, y), background_->at(x, y)) >= kStandsOut;
  }

  static std::optional<std::pair<double, double>> edges_of(
      const std::array<int, kSceneSide>& counts) {
    const auto enough = [](int count) { return count >= kLeastPixels; };
    const auto first = std::find_if(counts.begin(), counts.end(), enough);
    if (first == counts.end()) return std::nullopt;
    const auto last = std::find_if(counts.rbegin(), counts.rend(), enough);
    return std::pair(static_cast<double>(first - counts.begin()),
                     static_cast<double>(counts.rend() - last));
  }

  /// Least squares over the free cells' pixels.
  std::optional<Plane> fit_background() const {
    if (std::count(owners_.begin(), owners_.end(), kFree) < kLeastFreeCells) return std::nullopt;
    // Around their means, x and y leave a system of two equations.
    double n = 0, mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    std::array<double, 3> mean{}, cx{}, cy{};
    const auto each = [&](const auto& visit) {
      for (int y = 0; y < kSceneSide; ++y) {
        for (int x = 0; x < kSceneSide; ++x) {
          if (owner(x, y) == kFree) visit(x, y, pixel(x, y));
        }
      }
    };
    each([&](int x, int y, const Rgb& colour) {
      ++n;
      mx += x;
      my += y;
      for (std::size_t c = 0; c < 3; ++c) mean[c] += static_cast<double>(colour[c]);
    });
    mx /= n;
    my /= n;
    for (auto& value : mean) value /= n;
    each([&](int x, int y, const Rgb& colour) {
      const double u = x - mx, v = y - my;
      xx += u * u;
      xy += u * v;
      yy += v * v;
      for (std::size_t c = 0; c < 3; ++c) {
        const double residual = static_cast<double>(colour[c]) - mean[c];
        cx[c] += u * residual;
        cy[c] += v * residual;
      }
    });
    const double determinant = xx * yy - xy * xy;
    if (determinant <= 0) return std::nullopt;
    Plane plane;
    for (std::size_t c = 0; c < 3; ++c) {
      plane.across[c] = (yy * cx[c] - xy * cy[c]) / determinant;
      plane.down[c] = (xx * cy[c] - xy * cx[c]) / determinant;
      plane.base[c] = mean[c] - plane.across[c] * mx - plane.down[c] * my;
    }
    return plane;
  }

  const Image& picture_;
  Owners owners_;
  std::optional<Plane> background_;
};

}  // namespace

void refine_boxes(PictureReading& reading, const Image& picture) {
  if (picture.width != kSceneSide || picture.height != kSceneSide || picture.channels != 3) {
    throw UsageError(
        fmt::format("boxes are refined in RGB pictures of {0}x{0}, not {1}x{2} with {3} channels",
                    kSceneSide, picture.width, picture.height, picture.channels));
  }
  const Refinement refinement(reading, picture);
  for (std::size_t i = 0; i < reading.objects.size(); ++i) {
    refinement.apply(reading.objects[i], static_cast<int>(i));
  }
}

}  // namespace sd::train
