#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <string_view>

#include "sd/core/error.h"
#include "trainer/scene.h"

namespace sd::train {
namespace {

const SceneGenerator& generator() {
  static const SceneGenerator shared;
  return shared;
}

constexpr uint64_t kSeed = 5;

/// Distance in RGB between the mean of what a mask shows and the mean of what no mask touches.
double contrast(const Scene& scene, const SceneObject& object) {
  double inside[3] = {}, outside[3] = {}, inside_count = 0, outside_count = 0;
  for (std::size_t i = 0; i < object.mask.size(); ++i) {
    const bool free = std::all_of(scene.objects.begin(), scene.objects.end(),
                                  [&](const auto& other) { return other.mask[i] == 0; });
    if (object.mask[i] < 250 && !free) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      (free ? outside : inside)[c] += scene.picture.pixels[3 * i + c];
    }
    (free ? outside_count : inside_count) += 1;
  }
  double square = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    square += std::pow(inside[c] / inside_count - outside[c] / outside_count, 2);
  }
  return std::sqrt(square);
}

TEST(SceneGenerator, TheSameArgumentsGiveTheSameScene) {
  const SceneGenerator other;
  for (uint64_t index = 0; index < 50; ++index) {
    const auto a = generator().make(kSeed, index, Split::kTrain);
    const auto b = other.make(kSeed, index, Split::kTrain);
    EXPECT_EQ(a.caption, b.caption);
    EXPECT_EQ(a.picture.pixels, b.picture.pixels);
    ASSERT_EQ(a.objects.size(), b.objects.size());
    EXPECT_EQ(a.objects[0].mask, b.objects[0].mask);
  }
}

TEST(SceneGenerator, SeedAndIndexBothChangeTheScene) {
  std::set<std::string> pictures;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (uint64_t index = 0; index < 10; ++index) {
      const auto scene = generator().make(seed, index, Split::kTrain);
      pictures.emplace(scene.picture.pixels.begin(), scene.picture.pixels.end());
    }
  }
  EXPECT_EQ(pictures.size(), 100u);
}

TEST(SceneGenerator, TrainingNeverSeesAHeldOutScene) {
  for (uint64_t index = 0; index < 10000; ++index) {
    const auto spec = generator().specify(kSeed, index, Split::kTrain);
    ASSERT_FALSE(held_out(spec)) << caption_of(spec).text;
    ASSERT_TRUE(trainable(spec)) << caption_of(spec).text;
  }
}

TEST(SceneGenerator, HeldOutScenesAreAllHeldOut) {
  for (uint64_t index = 0; index < 1000; ++index) {
    ASSERT_TRUE(held_out(generator().specify(kSeed, index, Split::kHeldOut)));
  }
}

TEST(SceneGenerator, SceneIsComposedFromItsSpecification) {
  for (uint64_t index = 0; index < 50; ++index) {
    const auto spec = generator().specify(kSeed, index, Split::kHeldOut);
    const auto scene = generator().make(kSeed, index, Split::kHeldOut);
    EXPECT_EQ(scene.caption, caption_of(spec).text);
    ASSERT_EQ(scene.objects.size(), spec.objects.size());
    EXPECT_EQ(scene.objects[0].kind, spec.objects[0].kind);
    EXPECT_EQ(scene.background, spec.background);
  }
}

// 4,000 draws: the standard deviation of each share is at most 0.008.
TEST(SceneGenerator, SharesAreAsPromised) {
  constexpr int kScenes = 4000;
  double empty = 0, pairs = 0, objects = 0, tinted = 0, plain = 0;
  std::set<int> kinds, used_tints, used_backgrounds;
  for (uint64_t index = 0; index < kScenes; ++index) {
    const auto spec = generator().specify(kSeed, index, Split::kTrain);
    empty += spec.phrasing.empty ? 1 : 0;
    pairs += spec.objects.size() == 2 ? 1 : 0;
    plain += spec.gradient == Gradient::kPlain ? 1 : 0;
    used_backgrounds.insert(spec.background);
    for (const auto& object : spec.objects) {
      ++objects;
      tinted += object.tint == kAbsent ? 0 : 1;
      kinds.insert(object.kind);
      used_tints.insert(object.tint);
    }
  }
  EXPECT_NEAR(empty / kScenes, 0.1, 0.02);
  EXPECT_NEAR(pairs / kScenes, 0.4, 0.03);
  EXPECT_NEAR(plain / kScenes, 0.75, 0.03);
  EXPECT_NEAR(tinted / objects, 0.45, 0.05);  // tinted ones clash with backgrounds a little less
  EXPECT_EQ(kinds.size(), object_kinds().size());
  EXPECT_EQ(used_tints.size(), tints().size() + 1);
  EXPECT_EQ(used_backgrounds.size(), backgrounds().size());
}

TEST(SceneGenerator, MasksLieInTheirBoxesAndFillThem) {
  for (uint64_t index = 0; index < 300; ++index) {
    const auto scene = generator().make(kSeed, index, Split::kTrain);
    for (const auto& object : scene.objects) {
      ASSERT_EQ(object.mask.size(), std::size_t{kSceneSide} * kSceneSide);
      double covered = 0, outside = 0;
      for (int i = 0; i < kSceneSide * kSceneSide; ++i) {
        const double dx = std::abs(i % kSceneSide + 0.5 - object.x);
        const double dy = std::abs(i / kSceneSide + 0.5 - object.y);
        const double alpha = object.mask[static_cast<std::size_t>(i)] / 255.0;
        (std::max(dx, dy) < object.size / 2 ? covered : outside) += alpha;
      }
      EXPECT_EQ(outside, 0);
      // The thinnest emoji (carrot, guitar, snowman) cover a quarter of their square.
      EXPECT_GT(covered / (object.size * object.size), 0.2) << scene.caption;
    }
  }
}

TEST(SceneGenerator, WhatNoMaskTouchesIsBackground) {
  for (uint64_t index = 0; index < 300; ++index) {
    const auto scene = generator().make(kSeed, index, Split::kTrain);
    if (scene.gradient != Gradient::kPlain) continue;
    std::array<std::set<int>, 3> values;
    for (std::size_t i = 0; i < scene.objects[0].mask.size(); ++i) {
      const auto touched = [&](const auto& object) { return object.mask[i] != 0; };
      if (std::any_of(scene.objects.begin(), scene.objects.end(), touched)) continue;
      for (std::size_t c = 0; c < 3; ++c) values[c].insert(scene.picture.pixels[3 * i + c]);
    }
    // An alpha that rounds to 0 in the mask changes a pixel by 1 at most.
    for (const auto& value : values) EXPECT_LE(*value.rbegin() - *value.begin(), 1);
  }
}

TEST(SceneGenerator, NoObjectHasItsBackgroundsColour) {
  for (uint64_t index = 0; index < 500; ++index) {
    const auto scene = generator().make(kSeed, index, Split::kTrain);
    for (const auto& object : scene.objects) {
      // Of 441 between black and white. Neighbours such as orange on red are 80 apart.
      EXPECT_GT(contrast(scene, object), 40) << index << ": " << scene.caption;
    }
  }
}

TEST(SceneGenerator, ARedAppleClashesWithRed) {
  SceneSpec spec;
  spec.objects = {{find_kind("apple"), kAbsent}};
  spec.background = find_background("red");
  EXPECT_TRUE(generator().clashes(spec));
  spec.background = find_background("white");
  EXPECT_FALSE(generator().clashes(spec));
  spec.objects = {{find_kind("ghost"), kAbsent}};
  EXPECT_TRUE(generator().clashes(spec));
}

TEST(SceneGenerator, ObjectsStandWhereTheirPlaceSays) {
  int pairs = 0;
  for (uint64_t index = 0; index < 500; ++index) {
    const auto scene = generator().make(kSeed, index, Split::kTrain);
    if (scene.objects.size() != 2) continue;
    ++pairs;
    const auto& a = scene.objects[0];
    const auto& b = scene.objects[1];
    const bool beside = scene.place == Place::kLeftOf || scene.place == Place::kRightOf;
    const bool first = scene.place == Place::kLeftOf || scene.place == Place::kAbove;
    const double along = (beside ? b.x - a.x : b.y - a.y) * (first ? 1 : -1);
    const double across = std::abs(beside ? b.y - a.y : b.x - a.x);
    EXPECT_GE(along, (a.size + b.size) / 2) << scene.caption;
    EXPECT_LT(across, along / 2) << scene.caption;
  }
  EXPECT_GT(pairs, 100);
}

TEST(SceneGenerator, ATintChangesTheColourAndNotTheShape) {
  SceneSpec spec;
  spec.objects = {{find_kind("cat"), kAbsent}};
  const auto own = generator().compose(spec, 1);
  spec.objects[0].tint = find_tint("blue");
  const auto blue = generator().compose(spec, 1);
  EXPECT_EQ(own.objects[0].mask, blue.objects[0].mask);
  const auto centre =
      3 * static_cast<std::size_t>(static_cast<int>(blue.objects[0].y) * kSceneSide +
                                   static_cast<int>(blue.objects[0].x));
  EXPECT_GT(own.picture.pixels[centre], own.picture.pixels[centre + 2]);    // orange
  EXPECT_LT(blue.picture.pixels[centre], blue.picture.pixels[centre + 2]);  // blue
}

TEST(SceneGenerator, ImpossibleScenesAreRefused) {
  SceneSpec spec;
  EXPECT_THROW(generator().compose(spec, 0), UsageError);  // no object
  spec.objects = {{0, kAbsent}};
  spec.place = Place::kLeftOf;
  EXPECT_THROW(generator().compose(spec, 0), UsageError);  // left of what
  spec.objects.push_back({0, kAbsent});
  EXPECT_THROW(generator().compose(spec, 0), UsageError);  // the same kind twice
  spec.objects[1].kind = static_cast<int>(object_kinds().size());
  EXPECT_THROW(generator().compose(spec, 0), UsageError);
}

TEST(SceneGenerator, AMissingFontIsAnsweredWithItsPackage) {
  try {
    const SceneGenerator generator({.font = "/nowhere/NotoColorEmoji.ttf"});
    FAIL() << "made scenes without a font";
  } catch (const IoError& error) {
    const std::string_view message = error.what();
    EXPECT_NE(message.find("/nowhere/NotoColorEmoji.ttf"), message.npos);
    EXPECT_NE(message.find("fonts-noto-color-emoji"), message.npos);
  }
}

TEST(SceneGenerator, AFileThatIsNoFontIsRefused) {
  EXPECT_THROW(SceneGenerator({.font = SD_SOURCE_DIR "/README.md"}), IoError);
  EXPECT_THROW(SceneGenerator({.font = SD_SOURCE_DIR}), IoError);
}

}  // namespace
}  // namespace sd::train
