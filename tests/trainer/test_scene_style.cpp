#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "trainer/scene_style.h"

namespace sd::train {
namespace {

constexpr std::size_t kPixels = std::size_t{kSceneSide} * kSceneSide;

/// A red square of 40 pixels in the middle of a plain background, and its caption.
Scene square_scene() {
  Scene scene;
  scene.picture = {kSceneSide, kSceneSide, 3, {}};
  SceneObject object;
  const auto& behind = backgrounds().front().colour;
  for (int y = 0; y < kSceneSide; ++y) {
    for (int x = 0; x < kSceneSide; ++x) {
      const bool inside = std::abs(x - 64) < 20 && std::abs(y - 64) < 20;
      object.mask.push_back(inside ? 255 : 0);
      for (std::size_t c = 0; c < 3; ++c)
        scene.picture.pixels.push_back(
            static_cast<uint8_t>(inside ? (c == 0 ? 200 : 20) : behind[c]));
    }
  }
  scene.objects.push_back(object);
  scene.caption = "a box on a white background, small";
  scene.words = {{WordRole::kObject, 0, 2, 5},
                 {WordRole::kBackground, kAbsent, 11, 16},
                 {WordRole::kTint, 0, 29, 34}};
  return scene;
}

double light_at(const Scene& scene, int x, int y) {
  const auto first = static_cast<std::size_t>(3 * (y * kSceneSide + x));
  const auto& pixels = scene.picture.pixels;
  return (pixels[first] + pixels[first + 1] + pixels[first + 2]) / 3.0;
}

TEST(SceneStyle, PlainChangesNothing) {
  auto scene = square_scene();
  restyle(scene, SceneStyle::kPlain);
  EXPECT_EQ(scene.picture.pixels, square_scene().picture.pixels);
}

TEST(SceneStyle, NeonIsNightWithALineAndAGlowAroundTheObject) {
  const auto plain = square_scene();
  auto scene = plain;
  restyle(scene, SceneStyle::kNeon);
  EXPECT_EQ(scene.caption, plain.caption);
  EXPECT_EQ(scene.objects[0].mask, plain.objects[0].mask);
  for (std::size_t i = 0; i < kPixels; ++i) {
    if (plain.objects[0].mask[i] == 0) continue;
    for (std::size_t c = 0; c < 3; ++c)
      ASSERT_EQ(scene.picture.pixels[3 * i + c], plain.picture.pixels[3 * i + c]) << i;
  }
  const double far = light_at(scene, 3, 3), glow = light_at(scene, 64, 64 - 28),
               line = light_at(scene, 64, 64 - 21);
  EXPECT_LT(far, 0.5 * light_at(plain, 3, 3));
  EXPECT_GT(glow, far + 5);
  EXPECT_GT(line, glow + 30);
  // Of the object's colour.
  const auto* pixel = &scene.picture.pixels[std::size_t{3} * ((64 - 28) * kSceneSide + 64)];
  EXPECT_GT(pixel[0] - pixel[1], 20);
}

TEST(SceneStyle, ANewBackgroundMovesItsColourAndItsNameAlone) {
  const auto plain = square_scene();
  auto scene = plain;
  const auto& old = backgrounds().front().colour;
  const NewBackground wanted{"turquoise", {100, 110, 120}};
  ASSERT_TRUE(repaint(scene, wanted));
  for (std::size_t i = 0; i < kPixels; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const int was = plain.picture.pixels[3 * i + c], is = scene.picture.pixels[3 * i + c];
      if (plain.objects[0].mask[i] != 0) {
        ASSERT_EQ(is, was) << i;
      } else {
        ASSERT_NEAR(is, was + wanted.colour[c] - old[c], 1) << i;
      }
    }
  }
  EXPECT_EQ(scene.caption, "a box on a turquoise background, small");
  std::vector<std::string> words;
  for (const auto& word : scene.words)
    words.push_back(scene.caption.substr(word.begin, word.end - word.begin));
  EXPECT_EQ(words, (std::vector<std::string>{"box", "turquoise", "small"}));
}

TEST(SceneStyle, ACaptionWithoutABackgroundKeepsItsPicture) {
  auto scene = square_scene();
  scene.words.erase(scene.words.begin() + 1);
  EXPECT_FALSE(repaint(scene, {"teal", {20, 150, 140}}));
  EXPECT_EQ(scene.picture.pixels, square_scene().picture.pixels);
  EXPECT_EQ(scene.caption, square_scene().caption);
}

TEST(SceneStyle, ABackgroundIsAWordAndThreeBytes) {
  const auto teal = parse_background("teal=20,150.5,0");
  EXPECT_EQ(teal.word, "teal");
  EXPECT_EQ(teal.colour, (Rgb{20, 150.5F, 0}));
  for (const std::string text : {"", "teal", "=1,2,3", "teal=", "teal=1,2", "teal=1,2,256",
                                 "teal=-1,2,3", "teal=1,2,3,4", "teal=1,2,3 ", "teal=nan,2,3"})
    test::expect_error<UsageError>([&] { parse_background(text); }, "--background '" + text + "'");
}

}  // namespace
}  // namespace sd::train
