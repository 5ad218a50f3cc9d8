#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "sd/image/image.h"

namespace sd {
namespace {

/// 2 x 1 pixels of RGB, all of one value.
Image tile(uint8_t value) { return {2, 1, 3, std::vector<uint8_t>(6, value)}; }

/// The red channel as rows of text, for pictures that are easily compared by eye.
std::vector<std::vector<int>> red(const Image& image) {
  std::vector<std::vector<int>> rows;
  for (int64_t y = 0; y < image.height; ++y) {
    auto& row = rows.emplace_back();
    for (int64_t x = 0; x < image.width; ++x) {
      row.push_back(image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels)]);
    }
  }
  return rows;
}

// Expected values are those of torchvision.utils.make_grid(tensor, nrow=columns), padding 2.

TEST(MakeGrid, TheLastRowIsFilledWithBlack) {
  const auto grid = make_grid({tile(1), tile(2), tile(3)}, 2);
  const std::vector<std::vector<int>> expected = {
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  //
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  //
      {0, 0, 1, 1, 0, 0, 2, 2, 0, 0},  //
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  //
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  //
      {0, 0, 3, 3, 0, 0, 0, 0, 0, 0},  //
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  //
      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
  };
  EXPECT_EQ(grid.channels, 3);
  EXPECT_EQ(red(grid), expected);
}

TEST(MakeGrid, ThereAreNeverMoreColumnsThanPictures) {
  const auto grid = make_grid({tile(1), tile(2)}, 8);
  EXPECT_EQ(grid.width, 10);
  EXPECT_EQ(grid.height, 5);
}

TEST(MakeGrid, ASinglePictureStaysWithoutBorder) {
  const auto grid = make_grid({tile(7)}, 3);
  EXPECT_EQ(grid.width, 2);
  EXPECT_EQ(grid.height, 1);
  EXPECT_EQ(grid.pixels, tile(7).pixels);
}

TEST(MakeGrid, GreyBecomesRgb) {
  const Image grey{1, 1, 1, {9}};
  const auto grid = make_grid({grey, grey}, 2);
  EXPECT_EQ(grid.channels, 3);
  const std::vector<std::vector<int>> expected = {{0, 0, 0, 0, 0, 0, 0, 0},
                                                  {0, 0, 0, 0, 0, 0, 0, 0},
                                                  {0, 0, 9, 0, 0, 9, 0, 0},
                                                  {0, 0, 0, 0, 0, 0, 0, 0},
                                                  {0, 0, 0, 0, 0, 0, 0, 0}};
  EXPECT_EQ(red(grid), expected);
  EXPECT_EQ(make_grid({grey}, 1).pixels, (std::vector<uint8_t>{9, 9, 9}));
}

TEST(MakeGrid, WhatCannotBeAGridIsRefused) {
  EXPECT_THROW(make_grid({}, 2), UsageError);
  EXPECT_THROW(make_grid({tile(1)}, 0), UsageError);
  EXPECT_THROW(make_grid({tile(1), Image{1, 2, 3, std::vector<uint8_t>(6)}}, 2), UsageError);
  EXPECT_THROW(make_grid({tile(1), Image{2, 1, 1, {1, 2}}}, 2), UsageError);
  EXPECT_THROW(make_grid({tile(1), Image{2, 1, 3, {1, 2}}}, 2), UsageError);
}

}  // namespace
}  // namespace sd
