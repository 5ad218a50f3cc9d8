#include <gtest/gtest.h>

#include <cmath>

#include "trainer/picture_reading.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {
namespace {

constexpr int kCat = 0, kCar = 44, kRed = 0, kBlue = 4, kGreenGround = 5;

/// Cells that are sure of what they show.
class Grid {
 public:
  Grid() {
    for (int cell = 0; cell < kCells * kCells; ++cell) {
      fill(grid_.kind, object_kinds().size() + 1, object_kinds().size());
      fill(grid_.tint, tints().size() + 1, tints().size());
      fill(grid_.background, backgrounds().size(), kGreenGround);
    }
  }

  /// Cells [left,right) x [top,bottom) show an object; tint kAbsent: its own colours.
  Grid& show(int kind, int tint, int left, int top, int right, int bottom) {
    const auto own = static_cast<int>(tints().size());
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) {
        set(grid_.kind, object_kinds().size() + 1, y * kCells + x, kind);
        set(grid_.tint, tints().size() + 1, y * kCells + x, tint == kAbsent ? own : tint);
      }
    }
    return *this;
  }

  PictureReading read() const { return read_cells(grid_); }

 private:
  static constexpr float kNever = -9;

  static void fill(std::vector<float>& values, std::size_t width, std::size_t sure) {
    for (std::size_t i = 0; i < width; ++i) values.push_back(i == sure ? 0 : kNever);
  }
  static void set(std::vector<float>& values, std::size_t width, int cell, int sure) {
    for (std::size_t i = 0; i < width; ++i) {
      values[static_cast<std::size_t>(cell) * width + i] = static_cast<int>(i) == sure ? 0 : kNever;
    }
  }
  CellGrid grid_;
};

TEST(PictureReading, AnEmptyPictureHasABackgroundAlone) {
  const auto reading = Grid().read();
  EXPECT_TRUE(reading.objects.empty());
  EXPECT_EQ(reading.background, kGreenGround);
}

TEST(PictureReading, OneObjectHasKindTintAndBox) {
  const auto reading = Grid().show(kCat, kRed, 2, 3, 8, 10).read();
  ASSERT_EQ(reading.objects.size(), 1u);
  const auto& cat = reading.objects.front();
  EXPECT_EQ(cat.kind, kCat);
  EXPECT_EQ(cat.tint, kRed);
  EXPECT_EQ(cat.cells.size(), 42u);
  // The cells are covered to all but exp(-9): edges are theirs to a hundredth of a pixel.
  EXPECT_NEAR(cat.box.left, 16, 0.01);
  EXPECT_NEAR(cat.box.top, 24, 0.01);
  EXPECT_NEAR(cat.box.right, 64, 0.01);
  EXPECT_NEAR(cat.box.bottom, 80, 0.01);
}

TEST(PictureReading, OwnColoursAreNoTint) {
  EXPECT_EQ(Grid().show(kCat, kAbsent, 2, 2, 8, 8).read().objects.at(0).tint, kAbsent);
}

TEST(PictureReading, ObjectsApartAreTwo) {
  const auto reading = Grid().show(kCat, kRed, 0, 0, 5, 5).show(kCar, kBlue, 8, 8, 15, 15).read();
  ASSERT_EQ(reading.objects.size(), 2u);
  EXPECT_EQ(reading.objects[0].kind, kCar);  // the larger one
  EXPECT_EQ(reading.objects[1].kind, kCat);
  EXPECT_EQ(reading.objects[1].tint, kRed);
}

TEST(PictureReading, ObjectsThatTouchAreTwo) {
  const auto reading = Grid().show(kCat, kRed, 2, 2, 8, 8).show(kCar, kBlue, 8, 3, 14, 8).read();
  ASSERT_EQ(reading.objects.size(), 2u);
  EXPECT_EQ(reading.objects[0].kind, kCat);
  EXPECT_NEAR(reading.objects[0].box.right, 64, 0.01);
  EXPECT_NEAR(reading.objects[1].box.left, 64, 0.01);
}

TEST(PictureReading, PartsOfOneKindAreOneObject) {
  const auto reading = Grid().show(kCat, kRed, 2, 2, 5, 8).show(kCat, kRed, 6, 2, 9, 8).read();
  ASSERT_EQ(reading.objects.size(), 1u);
  EXPECT_EQ(reading.objects[0].cells.size(), 36u);
}

TEST(PictureReading, SpecksAreNoObjects) {
  EXPECT_EQ(
      Grid().show(kCat, kRed, 2, 2, 9, 9).show(kCar, kBlue, 13, 13, 14, 14).read().objects.size(),
      1u);
}

}  // namespace
}  // namespace sd::train
