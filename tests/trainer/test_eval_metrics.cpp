#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "trainer/eval_metrics.h"

namespace sd::train {
namespace {

constexpr int kCat = 0, kDog = 1, kRed = 0, kBlue = 4, kWhite = 0, kBlack = 1;

FoundObject found(int kind, int tint, PixelBox box) {
  FoundObject object;
  object.kind = kind;
  object.tint = tint;
  object.box = box;
  return object;
}

constexpr PixelBox kLeft{10, 40, 50, 80}, kRight{70, 44, 110, 84};

SceneSpec red_cat_on_white() {
  return {{{kCat, kRed}}, kWhite, Gradient::kPlain, Place::kNone, {}};
}

SceneSpec red_cat_left_of_dog() {
  return {{{kCat, kRed}, {kDog, kAbsent}}, kWhite, Gradient::kPlain, Place::kLeftOf, {}};
}

Image grey_picture(uint8_t value) {
  return {8, 8, 3, std::vector<uint8_t>(std::size_t{8} * 8 * 3, value)};
}

TEST(BoxIou, IsOneForTheSameAndZeroForThoseApart) {
  EXPECT_DOUBLE_EQ(box_iou(kLeft, kLeft), 1);
  EXPECT_DOUBLE_EQ(box_iou(kLeft, kRight), 0);
}

TEST(BoxIou, HalfShiftedBoxesShareAThird) {
  EXPECT_DOUBLE_EQ(box_iou({0, 0, 10, 10}, {5, 0, 15, 10}), 1.0 / 3);
}

TEST(BoxIou, EmptyBoxesShareNothing) { EXPECT_DOUBLE_EQ(box_iou({}, {}), 0); }

TEST(Stands, TellsTheFourPlaces) {
  EXPECT_TRUE(stands(kLeft, Place::kLeftOf, kRight));
  EXPECT_FALSE(stands(kLeft, Place::kRightOf, kRight));
  EXPECT_FALSE(stands(kLeft, Place::kAbove, kRight));  // a little, but more beside it
  EXPECT_TRUE(stands({40, 0, 80, 40}, Place::kAbove, {40, 60, 80, 100}));
  EXPECT_TRUE(stands({40, 60, 80, 100}, Place::kBelow, {40, 0, 80, 40}));
}

TEST(Judge, AcceptsWhatThePromptSays) {
  const auto judgement = judge(red_cat_on_white(), {{found(kCat, kRed, kLeft)}, kWhite});
  EXPECT_TRUE(judgement.all_right());
  EXPECT_EQ(judgement.tints, 1);
}

TEST(Judge, CountsEachThingThatIsWrongByItself) {
  const auto judgement = judge(red_cat_on_white(), {{found(kCat, kBlue, kLeft)}, kBlack});
  EXPECT_EQ(judgement.objects_right, 1);
  EXPECT_EQ(judgement.tints_right, 0);
  EXPECT_FALSE(judgement.background);
}

TEST(Judge, OneObjectMustBeTheLargest) {
  const auto judgement =
      judge(red_cat_on_white(), {{found(kDog, kRed, kRight), found(kCat, kRed, kLeft)}, kWhite});
  EXPECT_EQ(judgement.objects_right, 0);
}

TEST(Judge, AMistakenObjectMayHaveItsTint) {
  const auto one = judge(red_cat_on_white(), {{found(kDog, kRed, kLeft)}, kWhite});
  EXPECT_EQ(one.objects_right, 0);
  EXPECT_EQ(one.tints_right, 1);
  const PictureReading two{{found(kDog, kAbsent, kRight), found(kDog + 1, kRed, kLeft)}, kWhite};
  EXPECT_EQ(judge(red_cat_left_of_dog(), two).objects_right, 1);
  EXPECT_EQ(judge(red_cat_left_of_dog(), two).tints_right, 1);
}

TEST(Judge, OfTwoMistakenObjectsThePlaceTellsWhichIsWhich) {
  const auto spec = red_cat_left_of_dog();
  const PictureReading reading{{found(5, kRed, kLeft), found(6, kBlue, kRight)}, kWhite};
  const PictureReading turned{{found(5, kRed, kRight), found(6, kBlue, kLeft)}, kWhite};
  EXPECT_EQ(judge(spec, reading).tints_right, 1);
  EXPECT_EQ(judge(spec, turned).tints_right, 0);
}

TEST(Judge, AnEmptyPictureHasNoObjectRight) {
  EXPECT_EQ(judge(red_cat_on_white(), {{}, kWhite}).objects_right, 0);
  EXPECT_EQ(judge(red_cat_left_of_dog(), {{}, kWhite}).objects_right, 0);
}

TEST(Judge, TwoObjectsNeedTheirPlace) {
  const auto spec = red_cat_left_of_dog();
  const PictureReading right{{found(kDog, kAbsent, kRight), found(kCat, kRed, kLeft)}, kWhite};
  const PictureReading turned{{found(kDog, kAbsent, kLeft), found(kCat, kRed, kRight)}, kWhite};
  EXPECT_TRUE(judge(spec, right).all_right());
  EXPECT_TRUE(judge(spec, turned).both);
  EXPECT_FALSE(judge(spec, turned).place);
}

TEST(BackgroundError, LooksOutsideTheBoxesOnly) {
  const auto a = grey_picture(100);
  auto b = grey_picture(103);
  b.pixels[0] = b.pixels[1] = b.pixels[2] = 255;  // the corner pixel
  EXPECT_DOUBLE_EQ(background_error(a, b, {{0, 0, 1, 1}}, 0), 3);
  EXPECT_GT(background_error(a, b, {}, 0), 3);
}

TEST(BackgroundError, WidensBoxesByTheMargin) {
  auto b = grey_picture(100);
  b.pixels[3 * 9] = 255;  // pixel (1,1)
  EXPECT_DOUBLE_EQ(background_error(grey_picture(100), b, {{0, 0, 1, 1}}, 1), 0);
}

TEST(BackgroundError, NothingOutsideIsNoError) {
  EXPECT_DOUBLE_EQ(background_error(grey_picture(0), grey_picture(255), {{0, 0, 8, 8}}, 0), 0);
}

TEST(BackgroundError, RefusesOtherSizes) {
  EXPECT_THROW(background_error(grey_picture(0), {4, 4, 3, std::vector<uint8_t>(48)}, {}, 0),
               UsageError);
}

}  // namespace
}  // namespace sd::train
