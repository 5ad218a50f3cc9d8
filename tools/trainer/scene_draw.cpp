#include "trainer/scene_draw.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "trainer/scene.h"

namespace sd::train {
namespace {

// What is left unsaid should be rare where it is not to be seen from the words: a tint is said or
// (nine times in ten) not there.
constexpr double kSaysTints = 0.85;
constexpr double kTintedIfSaid = 0.5;
constexpr double kTintedIfUnsaid = 0.1;
constexpr double kSaysBackground = 0.85;
constexpr double kSaysPlace = 0.85;
constexpr double kPlainBackground = 0.75;
constexpr double kFirstPhrase = 0.4;  // the others share the rest

constexpr double kLightnessJitter = 6;  // of 255, the same in each channel
constexpr double kHueJitter = 3;        // of 255, in each channel

Gradient draw_gradient(SceneRandom& random) {
  if (random.chance(kPlainBackground)) return Gradient::kPlain;
  constexpr std::array kinds{Gradient::kVertical, Gradient::kHorizontal, Gradient::kDiagonal};
  return kinds[static_cast<std::size_t>(random.below(static_cast<int>(kinds.size())))];
}

/// Most often near the middle of what is free.
int draw_offset(SceneRandom& random, int free) {
  return static_cast<int>(std::lround((random.uniform() + random.uniform()) / 2 * free));
}

uint8_t to_byte(float value) {
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f) + 0.5f);
}

/// The far end of a gradient: near enough that the colour keeps its name.
Rgb shade_of(SceneRandom& random, const Rgb& colour) {
  const float target = random.chance(0.5) ? 255.0f : 0.0f;
  const auto amount = static_cast<float>(random.between(0.1, 0.25));
  Rgb shade = colour;
  for (auto& channel : shade) channel += amount * (target - channel);
  return shade;
}

}  // namespace

SceneSpec draw_spec(SceneRandom& random, std::size_t objects, double empty_captions) {
  SceneSpec spec;
  auto& phrasing = spec.phrasing;
  phrasing.empty = random.chance(empty_captions);
  phrasing.phrase = random.chance(kFirstPhrase) ? 0 : 1 + random.below(phrase_count(objects) - 1);
  phrasing.says_tints = random.chance(kSaysTints);
  phrasing.says_background = random.chance(kSaysBackground);
  phrasing.says_place = random.chance(kSaysPlace);
  const double tinted = phrasing.says_tints ? kTintedIfSaid : kTintedIfUnsaid;
  const int kinds = static_cast<int>(object_kinds().size());
  for (std::size_t i = 0; i < objects; ++i) {
    ObjectSpec object;
    object.kind = random.below(kinds);
    if (i == 1 && object.kind == spec.objects[0].kind) object.kind = (object.kind + 1) % kinds;
    if (random.chance(tinted)) object.tint = random.below(static_cast<int>(tints().size()));
    spec.objects.push_back(object);
  }
  spec.background = random.below(static_cast<int>(backgrounds().size()));
  spec.gradient = draw_gradient(random);
  if (objects == 2) {
    constexpr std::array places{Place::kLeftOf, Place::kRightOf, Place::kAbove, Place::kBelow};
    spec.place = places[static_cast<std::size_t>(random.below(static_cast<int>(places.size())))];
  }
  return spec;
}

std::vector<Box> draw_boxes(SceneRandom& random, Place place) {
  if (place == Place::kNone) {
    const int side = random.between(56, 104);
    const int left = draw_offset(random, kSceneSide - side);
    return {{left, draw_offset(random, kSceneSide - side), side}};
  }
  // Along the axis of the place: margin, first box, gap, second box, margin. Across it both centres
  // are near a common line, so that nobody would call the place by another name.
  const std::array<int, 2> sides{random.between(40, 62), random.between(40, 62)};
  constexpr int kGap = 2;
  const int free = kSceneSide - sides[0] - sides[1] - kGap;
  const int first = static_cast<int>(std::lround(random.between(0.0, 0.6) * free));
  const int gap = kGap + static_cast<int>(std::lround(random.between(0.0, 0.6) * (free - first)));
  const int line = random.between(kSceneSide / 2 - 24, kSceneSide / 2 + 24);
  std::array<Box, 2> boxes;  // the one nearer to the top left first
  for (std::size_t i = 0; i < 2; ++i) {
    const int along = i == 0 ? first : first + sides[0] + gap;
    const int across =
        std::clamp(line + random.between(-8, 8) - sides[i] / 2, 0, kSceneSide - sides[i]);
    const bool beside = place == Place::kLeftOf || place == Place::kRightOf;
    boxes[i] = beside ? Box{along, across, sides[i]} : Box{across, along, sides[i]};
  }
  if (place == Place::kRightOf || place == Place::kBelow) std::swap(boxes[0], boxes[1]);
  return {boxes.begin(), boxes.end()};
}

Rgb jitter(SceneRandom& random, const Rgb& colour, double amount) {
  Rgb result = colour;
  for (auto& channel : result) {
    channel =
        std::clamp(channel + static_cast<float>(random.between(-amount, amount)), 0.0f, 255.0f);
  }
  return result;
}

Image draw_background(SceneRandom& random, int background, Gradient gradient) {
  Rgb from = jitter(random, backgrounds()[static_cast<std::size_t>(background)].colour, kHueJitter);
  const auto lighter = static_cast<float>(random.between(-kLightnessJitter, kLightnessJitter));
  for (auto& channel : from) channel = std::clamp(channel + lighter, 0.0f, 255.0f);
  Rgb to = from;
  if (gradient != Gradient::kPlain) {
    to = shade_of(random, from);
    if (random.chance(0.5)) std::swap(from, to);
  }
  // A position's share of `to` is (across * x + down * y) / (kSceneSide - 1).
  const float across = gradient == Gradient::kHorizontal ? 1
                       : gradient == Gradient::kDiagonal ? 0.5f
                                                         : 0;
  const float down = gradient == Gradient::kVertical   ? 1
                     : gradient == Gradient::kDiagonal ? 0.5f
                                                       : 0;
  Image picture{kSceneSide, kSceneSide, 3,
                std::vector<uint8_t>(std::size_t{3} * kSceneSide * kSceneSide)};
  auto* pixel = picture.pixels.data();
  for (int y = 0; y < kSceneSide; ++y) {
    for (int x = 0; x < kSceneSide; ++x) {
      const float share =
          (across * static_cast<float>(x) + down * static_cast<float>(y)) / (kSceneSide - 1);
      for (std::size_t c = 0; c < 3; ++c) *pixel++ = to_byte(from[c] + share * (to[c] - from[c]));
    }
  }
  return picture;
}

std::vector<uint8_t> lay_over(Image& picture, const Sprite& sprite, const Box& box) {
  std::vector<uint8_t> mask(std::size_t{kSceneSide} * kSceneSide);
  const float* source = sprite.rgba.data();
  for (int y = 0; y < box.side; ++y) {
    const auto start = static_cast<std::size_t>((box.top + y) * kSceneSide + box.left);
    for (std::size_t i = start; i < start + static_cast<std::size_t>(box.side); ++i, source += 4) {
      const float behind = 1 - source[3] / 255;
      uint8_t* pixel = picture.pixels.data() + i * 3;
      for (std::size_t c = 0; c < 3; ++c) {
        pixel[c] = to_byte(source[c] + behind * static_cast<float>(pixel[c]));
      }
      mask[i] = to_byte(source[3]);
    }
  }
  return mask;
}

}  // namespace sd::train
