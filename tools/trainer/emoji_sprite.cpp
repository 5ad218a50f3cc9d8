#include "trainer/emoji_sprite.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace sd::train {
namespace {

constexpr float kTypical = 0.6f;  // see typical_luma

/// The source pixels [begin, begin + weights.size()) of one target pixel.
struct Taps {
  int begin = 0;
  std::vector<float> weights;  // sum to 1
};

std::vector<Taps> filter_taps(int source, int target) {
  const double scale = static_cast<double>(source) / target;
  const double radius = std::max(scale, 1.0);
  std::vector<Taps> taps(static_cast<std::size_t>(target));
  for (int i = 0; i < target; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(std::floor(centre - radius + 0.5)));
    const int end = std::min(source, static_cast<int>(std::floor(centre + radius + 0.5)));
    auto& [first, weights] = taps[static_cast<std::size_t>(i)];
    first = begin;
    float sum = 0;
    for (int j = begin; j < end; ++j) {
      weights.push_back(static_cast<float>(1 - std::abs(j + 0.5 - centre) / radius));
      sum += weights.back();
    }
    for (auto& weight : weights) weight /= sum;
  }
  return taps;
}

/// `height` rows of `length` floats become taps.size() rows.
std::vector<float> resize_rows(const std::vector<float>& rows, int length,
                               const std::vector<Taps>& taps) {
  const auto row_size = static_cast<std::size_t>(length);
  std::vector<float> result(taps.size() * row_size);
  for (std::size_t y = 0; y < taps.size(); ++y) {
    float* target = result.data() + y * row_size;
    const float* source = rows.data() + static_cast<std::size_t>(taps[y].begin) * row_size;
    for (const float weight : taps[y].weights) {
      for (std::size_t x = 0; x < row_size; ++x) target[x] += weight * source[x];
      source += row_size;
    }
  }
  return result;
}

// CIE Lab of sRGB, white point D65 (IEC 61966-2-1; CIE 15).
std::array<double, 3> lab(const Rgb& colour) {
  std::array<double, 3> linear{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double v = static_cast<double>(colour[c]) / 255;
    linear[c] = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  }
  const auto [r, g, b] = linear;
  const auto f = [](double t) {
    return t > 216.0 / 24389 ? std::cbrt(t) : t * 841 / 108 + 4.0 / 29;
  };
  const double x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const double y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const double z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

}  // namespace

Rgb mean_colour(const Sprite& sprite) {
  double red = 0, green = 0, blue = 0, alpha = 0;
  for (std::size_t i = 0; i < sprite.rgba.size(); i += 4) {
    red += static_cast<double>(sprite.rgba[i]);
    green += static_cast<double>(sprite.rgba[i + 1]);
    blue += static_cast<double>(sprite.rgba[i + 2]);
    alpha += static_cast<double>(sprite.rgba[i + 3]);
  }
  const double scale = 255 / std::max(alpha, 1.0);
  return {static_cast<float>(red * scale), static_cast<float>(green * scale),
          static_cast<float>(blue * scale)};
}

float typical_luma(const Sprite& sprite) {
  std::vector<std::pair<float, float>> pixels;  // luma, alpha
  float total = 0;
  for (std::size_t i = 0; i < sprite.rgba.size(); i += 4) {
    const float* pixel = sprite.rgba.data() + i;
    if (pixel[3] <= 0) continue;
    pixels.emplace_back(luma({pixel[0], pixel[1], pixel[2]}) * 255 / pixel[3], pixel[3]);
    total += pixel[3];
  }
  std::sort(pixels.begin(), pixels.end());
  float below = 0;
  for (const auto& [light, alpha] : pixels) {
    below += alpha;
    if (below >= kTypical * total) return light;
  }
  return 0;
}

float luma(const Rgb& colour) {
  return 0.2126f * colour[0] + 0.7152f * colour[1] + 0.0722f * colour[2];
}

Sprite fit_into_square(const Sprite& sprite, int side) {
  const int longer = std::max(sprite.width, sprite.height);
  const auto scaled = [&](int edge) { return std::max(1, (edge * side + longer / 2) / longer); };
  const int width = scaled(sprite.width);
  const int height = scaled(sprite.height);
  const auto lower = resize_rows(sprite.rgba, sprite.width * 4, filter_taps(sprite.height, height));
  const auto taps = filter_taps(sprite.width, width);

  Sprite result{side, side,
                std::vector<float>(std::size_t{4} * static_cast<std::size_t>(side * side))};
  const int left = (side - width) / 2;
  const int top = (side - height) / 2;
  for (int y = 0; y < height; ++y) {
    const float* row = lower.data() + static_cast<std::ptrdiff_t>(y) * sprite.width * 4;
    float* target = result.rgba.data() + (static_cast<std::ptrdiff_t>(y + top) * side + left) * 4;
    for (const auto& [begin, weights] : taps) {
      const float* source = row + std::ptrdiff_t{4} * begin;
      std::array<float, 4> sum{};
      for (const float weight : weights) {
        for (std::size_t c = 0; c < 4; ++c) sum[c] += weight * source[c];
        source += 4;
      }
      std::copy(sum.begin(), sum.end(), target);
      target += 4;
    }
  }
  return result;
}

void apply_tint(Sprite& sprite, const Rgb& colour, float typical) {
  // What is left of the colour in black, and how white the lightest parts become.
  constexpr float kDarkest = 0.12f;
  constexpr float kWhitest = 0.45f;
  for (std::size_t i = 0; i < sprite.rgba.size(); i += 4) {
    float* pixel = sprite.rgba.data() + i;
    const float alpha = pixel[3] / 255;
    if (alpha <= 0) continue;
    const float light = luma({pixel[0], pixel[1], pixel[2]}) / alpha;
    if (light <= typical) {
      const float strength = alpha * (kDarkest + (1 - kDarkest) * light / std::max(typical, 1.0f));
      for (std::size_t c = 0; c < 3; ++c) pixel[c] = strength * colour[c];
    } else {
      const float white = kWhitest * std::min((light - typical) / (255.5f - typical), 1.0f);
      for (std::size_t c = 0; c < 3; ++c)
        pixel[c] = alpha * (colour[c] + white * (255 - colour[c]));
    }
  }
}

double colour_distance(const Rgb& a, const Rgb& b) {
  const auto p = lab(a);
  const auto q = lab(b);
  return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

}  // namespace sd::train
