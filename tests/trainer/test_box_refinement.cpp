#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "trainer/box_refinement.h"
#include "trainer/scene.h"

namespace sd::train {
namespace {

/// A picture graded from dark to light green, and what lies on it.
class Ground {
 public:
  Ground() {
    for (int y = 0; y < kSceneSide; ++y) {
      for (int x = 0; x < kSceneSide; ++x) {
        set(x, y, static_cast<uint8_t>(20 + y / 4), static_cast<uint8_t>(120 + x / 2 + y / 2), 40);
      }
    }
  }

  /// Pixels [left,right) x [top,bottom).
  Ground& lay(int left, int top, int right, int bottom, uint8_t red, uint8_t green, uint8_t blue) {
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) set(x, y, red, green, blue);
    }
    return *this;
  }

  const Image& picture() const { return picture_; }

 private:
  void set(int x, int y, uint8_t red, uint8_t green, uint8_t blue) {
    auto* pixel = picture_.pixels.data() + static_cast<std::ptrdiff_t>(y * kSceneSide + x) * 3;
    pixel[0] = red;
    pixel[1] = green;
    pixel[2] = blue;
  }

  Image picture_{kSceneSide, kSceneSide, 3,
                 std::vector<uint8_t>(std::size_t{3} * kSceneSide * kSceneSide)};
};

/// Cells [left,right) x [top,bottom) as read_cells() would find them.
FoundObject found(int left, int top, int right, int bottom) {
  FoundObject object;
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) object.cells.push_back(y * kCells + x);
  }
  object.box = {left * 8.0, top * 8.0, right * 8.0, bottom * 8.0};
  return object;
}

PixelBox refined(const Ground& ground, std::vector<FoundObject> objects, std::size_t which = 0) {
  PictureReading reading;
  reading.objects = std::move(objects);
  refine_boxes(reading, ground.picture());
  return reading.objects[which].box;
}

void expect_box(const PixelBox& box, double left, double top, double right, double bottom) {
  EXPECT_EQ(box.left, left);
  EXPECT_EQ(box.top, top);
  EXPECT_EQ(box.right, right);
  EXPECT_EQ(box.bottom, bottom);
}

TEST(BoxRefinement, EdgesAreThePixels) {
  expect_box(refined(Ground().lay(27, 43, 69, 98, 220, 30, 30), {found(4, 6, 8, 12)}),  //
             27, 43, 69, 98);
}

TEST(BoxRefinement, AnEarIsPartOfTheObject) {
  Ground ground;
  ground.lay(32, 40, 72, 80, 220, 30, 30).lay(50, 33, 53, 40, 220, 30, 30);
  expect_box(refined(ground, {found(4, 5, 9, 10)}), 32, 33, 72, 80);
}

TEST(BoxRefinement, ASinglePixelIsNoEdge) {
  Ground ground;
  ground.lay(32, 40, 72, 80, 220, 30, 30).lay(76, 60, 77, 61, 220, 30, 30);
  expect_box(refined(ground, {found(4, 5, 9, 10)}), 32, 40, 72, 80);
}

TEST(BoxRefinement, WhatIsFarFromTheCellsIsNotLookedAt) {
  Ground ground;
  ground.lay(32, 40, 72, 80, 220, 30, 30).lay(112, 8, 120, 16, 30, 30, 220);
  expect_box(refined(ground, {found(4, 5, 9, 10)}), 32, 40, 72, 80);
}

TEST(BoxRefinement, AFaintShadeIsBackground) {
  Ground ground;  // (32..72)^2 on a shade that is a little lighter than the ground there
  ground.lay(28, 28, 76, 76, 32, 172, 44).lay(32, 32, 72, 72, 220, 30, 30);
  expect_box(refined(ground, {found(4, 4, 9, 9)}), 32, 32, 72, 72);
}

TEST(BoxRefinement, ObjectsThatTouchKeepTheirOwnPixels) {
  Ground ground;
  ground.lay(20, 40, 64, 80, 220, 30, 30).lay(64, 36, 110, 84, 30, 30, 220);
  const std::vector objects{found(3, 5, 8, 10), found(8, 5, 13, 10)};
  expect_box(refined(ground, objects, 0), 20, 40, 64, 80);
  expect_box(refined(ground, objects, 1), 64, 36, 110, 84);
}

TEST(BoxRefinement, WithoutBackgroundOrContrastTheCellsDecide) {
  expect_box(refined(Ground(), {found(4, 4, 9, 9)}), 32, 32, 72, 72);
  Ground full;
  full.lay(0, 0, 128, 128, 220, 30, 30);
  expect_box(refined(full, {found(0, 0, 16, 16)}), 0, 0, 128, 128);
}

TEST(BoxRefinement, NothingFoundIsNothingToDo) {
  PictureReading reading;
  refine_boxes(reading, Ground().picture());
  EXPECT_TRUE(reading.objects.empty());
}

TEST(BoxRefinement, OtherPicturesAreRefused) {
  PictureReading reading;
  const Image small{64, 128, 3, std::vector<uint8_t>(std::size_t{3} * 64 * 128)};
  test::expect_error<UsageError>([&] { refine_boxes(reading, small); }, "128x128", "64x128");
}

}  // namespace
}  // namespace sd::train
