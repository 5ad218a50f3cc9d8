#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "trainer/classifier.h"
#include "trainer/classifier_stage.h"
#include "trainer/eval_metrics.h"
#include "trainer/structure_distance.h"
#include "trainer/tensor_file.h"

namespace sd::train {
namespace {

const std::filesystem::path& classifier_file() {
  static const auto path =
      std::filesystem::path(SD_SOURCE_DIR) / "tests/data/eval/classifier.safetensors";
  return path;
}

Classifier& classifier() {
  static Classifier shared = load_classifier(classifier_file());
  return shared;
}

const SceneGenerator& generator() {
  static const SceneGenerator shared;
  return shared;
}

TEST(Classifier, FileIsSmall) {
  EXPECT_LT(std::filesystem::file_size(classifier_file()), 1u << 20);
}

TEST(Classifier, NamesWhatUnseenScenesShow) {
  const auto accuracy = measure_classifier(classifier(), generator(), 1000, /*seed=*/321);
  EXPECT_GE(accuracy.objects, 0.97);
  EXPECT_GE(accuracy.single, 0.97);
  EXPECT_GE(accuracy.tints, 0.97);
  EXPECT_GE(accuracy.backgrounds, 0.99);
  EXPECT_GE(accuracy.box_iou, 0.95);  // by cells alone 0.84
}

TEST(Classifier, FindsTwoObjectsAndTheirPlaces) {
  for (const auto place : {Place::kLeftOf, Place::kRightOf, Place::kAbove, Place::kBelow}) {
    const SceneSpec spec{{{find_kind("cat"), kAbsent}, {find_kind("car"), find_tint("green")}},
                         find_background("white"),
                         Gradient::kPlain,
                         place,
                         {}};
    const auto reading = read(classifier(), generator().compose(spec, 4).picture);
    EXPECT_TRUE(judge(spec, reading).all_right()) << static_cast<int>(place);
    EXPECT_EQ(reading.objects.size(), 2u);
  }
}

TEST(Classifier, OfOtherScenesIsRefused) {
  const test::TempFolder folder;
  auto file = read_tensor_file(classifier_file());
  write_tensor_file(folder / "other.safetensors", file.tensors, {{"words", "cat,dog,"}});
  test::expect_error<CheckpointError>([&] { load_classifier(folder / "other.safetensors"); },
                                      "other.safetensors", "sd-train classifier");
}

/// A scene's picture: an object of this kind on a background, as seed places it.
Image scene_of(const char* kind, const char* tint, const char* background, uint64_t seed) {
  const SceneSpec spec{{{find_kind(kind), tint == nullptr ? kAbsent : find_tint(tint)}},
                       find_background(background),
                       Gradient::kPlain,
                       {},
                       {}};
  return generator().compose(spec, seed).picture;
}

TEST(StructureDistance, IsNoneOfEqualPicturesAndGrowsAsThingsChangePlaces) {
  const auto cat = scene_of("cat", nullptr, "white", 4);
  EXPECT_DOUBLE_EQ(structure_distance(classifier(), cat, cat), 0);
  const auto pair_of = [](Place place) {
    const SceneSpec spec{{{find_kind("cat"), kAbsent}, {find_kind("car"), kAbsent}},
                         find_background("white"),
                         Gradient::kPlain,
                         place,
                         {}};
    return generator().compose(spec, 4).picture;
  };
  const auto beside = pair_of(Place::kLeftOf), above = pair_of(Place::kAbove);
  const double nudged = structure_distance(classifier(), cat, scene_of("cat", nullptr, "white", 9));
  const double turned = structure_distance(classifier(), beside, above);
  EXPECT_GT(nudged, 0);
  EXPECT_GT(turned, 2 * nudged);
  EXPECT_DOUBLE_EQ(turned, structure_distance(classifier(), above, beside));
}

}  // namespace
}  // namespace sd::train
