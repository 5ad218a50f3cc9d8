#include "trainer/scene_style.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "sd/core/error.h"

namespace sd::train {
namespace {

using Map = std::vector<float>;  // [kSceneSide,kSceneSide]

constexpr int kLine = 3;            // width of the line in pixels
constexpr double kSpread = 6;       // of the glow in pixels, a Gaussian's sigma
constexpr float kDusk = 0.25f;      // of the background's light that is left
constexpr Rgb kNight = {8, 8, 24};  // that is added to it
constexpr float kGlow = 0.75f;      // of an object's colour
constexpr float kLineColour = 0.55f, kLineWhite = 110;

std::size_t at(int x, int y) { return static_cast<std::size_t>(y * kSceneSide + x); }

Map widened(const Map& map, int radius) {
  Map wide(map.size());
  for (int y = 0; y < kSceneSide; ++y) {
    for (int x = 0; x < kSceneSide; ++x) {
      float most = 0;
      for (int dy = -radius; dy <= radius; ++dy) {
        for (int dx = -radius; dx <= radius; ++dx) {
          const int nx = x + dx, ny = y + dy;
          const bool inside = nx >= 0 && ny >= 0 && nx < kSceneSide && ny < kSceneSide;
          if (inside && dx * dx + dy * dy <= radius * radius)
            most = std::max(most, map[at(nx, ny)]);
        }
      }
      wide[at(x, y)] = most;
    }
  }
  return wide;
}

Map blurred(const Map& map, double sigma) {
  const int radius = static_cast<int>(std::ceil(3 * sigma));
  std::vector<float> kernel;
  float sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    kernel.push_back(static_cast<float>(std::exp(-0.5 * i * i / (sigma * sigma))));
    sum += kernel.back();
  }
  const auto pass = [&](const Map& from, int across, int down) {
    Map to(from.size());
    for (int y = 0; y < kSceneSide; ++y) {
      for (int x = 0; x < kSceneSide; ++x) {
        float value = 0;
        for (int i = -radius; i <= radius; ++i) {
          const int nx = std::clamp(x + i * across, 0, kSceneSide - 1);
          const int ny = std::clamp(y + i * down, 0, kSceneSide - 1);
          value += kernel[static_cast<std::size_t>(i + radius)] * from[at(nx, ny)];
        }
        to[at(x, y)] = value / sum;
      }
    }
    return to;
  };
  return pass(pass(map, 1, 0), 0, 1);
}

Map cover_of(const SceneObject& object) {
  Map cover;
  for (const uint8_t alpha : object.mask) cover.push_back(static_cast<float>(alpha) / 255);
  return cover;
}

/// The mean colour under a cover, as bright as it can be.
Rgb light_of(const Image& picture, const Map& cover) {
  Rgb sum{};
  for (std::size_t i = 0; i < cover.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c)
      sum[c] += cover[i] * static_cast<float>(picture.pixels[3 * i + c]);
  }
  const float most = std::max({sum[0], sum[1], sum[2], 1.0f});
  for (auto& channel : sum) channel *= 255 / most;
  return sum;
}

uint8_t to_byte(float value) { return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f)); }

/// What shows of the background at each pixel.
Map uncovered(const Scene& scene) {
  Map open(std::size_t{kSceneSide} * kSceneSide, 1);
  for (const auto& object : scene.objects) {
    for (std::size_t i = 0; i < open.size(); ++i)
      open[i] *= 1 - static_cast<float>(object.mask[i]) / 255;
  }
  return open;
}

void draw_neon(Scene& scene) {
  const auto open = uncovered(scene);
  const auto plain = scene.picture;
  std::vector<Rgb> around(open.size());
  for (std::size_t i = 0; i < open.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c)
      around[i][c] = kDusk * static_cast<float>(plain.pixels[3 * i + c]) + kNight[c];
  }
  for (const auto& object : scene.objects) {
    const auto cover = cover_of(object);
    const auto light = light_of(plain, cover);
    const auto line = widened(cover, kLine);
    const auto glow = blurred(line, kSpread);
    for (std::size_t i = 0; i < open.size(); ++i) {
      const float edge = line[i] - cover[i];
      for (std::size_t c = 0; c < 3; ++c)
        around[i][c] += kGlow * glow[i] * light[c] + edge * (kLineColour * light[c] + kLineWhite);
    }
  }
  for (std::size_t i = 0; i < open.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      auto& value = scene.picture.pixels[3 * i + c];
      value = to_byte(open[i] * std::min(around[i][c], 255.0f) +
                      (1 - open[i]) * static_cast<float>(value) + 0.5f);
    }
  }
}

}  // namespace

NewBackground parse_background(const std::string& text) {
  NewBackground background;
  const auto equals = text.find('=');
  int read = 0;
  auto& [red, green, blue] = background.colour;
  background.word = text.substr(0, equals);
  const bool whole =
      equals != text.npos && !background.word.empty() &&
      std::sscanf(text.c_str() + equals + 1, "%f,%f,%f%n", &red, &green, &blue, &read) == 3 &&
      equals + 1 + static_cast<std::size_t>(read) == text.size();
  const auto is_byte = [](float channel) { return channel >= 0 && channel <= 255; };
  if (whole && std::ranges::all_of(background.colour, is_byte)) return background;
  throw UsageError(fmt::format(
      "--background '{}': expected a word and a colour, such as teal=20,150,140", text));
}

void restyle(Scene& scene, SceneStyle style) {
  if (style == SceneStyle::kNeon) draw_neon(scene);
}

bool repaint(Scene& scene, const NewBackground& background) {
  const auto said = std::ranges::find(scene.words, WordRole::kBackground, &CaptionWord::role);
  if (said == scene.words.end()) return false;
  const auto open = uncovered(scene);
  const auto& named = backgrounds()[static_cast<std::size_t>(scene.background)].colour;
  for (std::size_t i = 0; i < open.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      auto& value = scene.picture.pixels[3 * i + c];
      value =
          to_byte(static_cast<float>(value) + open[i] * (background.colour[c] - named[c]) + 0.5f);
    }
  }
  const auto begin = said->begin, old = said->end - said->begin, now = background.word.size();
  scene.caption.replace(begin, old, background.word);
  for (auto& word : scene.words) {
    if (word.begin > begin) word.begin += now - old;
    if (word.end > begin) word.end += now - old;
  }
  return true;
}

}  // namespace sd::train
