#include <cmath>
#include <limits>

#include "image/fixtures.h"
#include "sd/core/error.h"
#include "sd/image/heatmap.h"
#include "sd/image/word_map.h"

namespace sd {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Colorize, GreyIsTheValue) {
  const std::vector<float> map = {0, 0.5, 1, -1, 2, kNan};
  const auto image = colorize(map, 2, 3, Colormap::kGrey);
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{0, 128, 255, 0, 255, 0}));
}

TEST(Colorize, JetIsMatplotlibs) {
  // At 0, where green is half way up, in the middle, and at 1; by hand from the segments.
  const std::vector<float> map = {0, 0.25, 0.5, 1};
  EXPECT_EQ(colorize(map, 1, 4, Colormap::kJet).pixels,
            (std::vector<uint8_t>{0, 0, 128, 0, 128, 255, 123, 255, 123, 128, 0, 0}));
}

TEST(Colorize, TurboIsNearItsTable) {
  // Entries 64, 128 and 192 of Google's table; the published polynomial is within 20 levels there.
  const std::vector<float> map = {64.0F / 255, 128.0F / 255, 192.0F / 255};
  const std::vector<int> table = {40, 188, 235, 164, 252, 60, 251, 126, 33};
  const auto image = colorize(map, 1, 3, Colormap::kTurbo);
  ASSERT_EQ(image.pixels.size(), table.size());
  for (std::size_t i = 0; i < table.size(); ++i) EXPECT_NEAR(image.pixels[i], table[i], 20) << i;
}

TEST(Overlay, BlendsAsTheWeightSays) {
  const Image picture{1, 1, 3, {100, 0, 200}};
  const Image heat{1, 1, 3, {200, 0, 100}};
  EXPECT_EQ(overlay(picture, heat, 0).pixels, picture.pixels);
  EXPECT_EQ(overlay(picture, heat, 1).pixels, heat.pixels);
  EXPECT_EQ(overlay(picture, heat, 0.7).pixels, (std::vector<uint8_t>{170, 0, 130}));
  EXPECT_EQ(overlay({1, 1, 1, {100}}, heat, 0).pixels, (std::vector<uint8_t>{100, 100, 100}));
}

TEST(Overlay, WhatDoesNotFitIsRefused) {
  const Image picture{1, 1, 3, {100, 0, 200}};
  EXPECT_THROW(overlay(picture, picture, 1.5), UsageError);
  EXPECT_THROW(overlay(picture, picture, std::nan("")), UsageError);
  EXPECT_THROW(overlay(picture, {2, 1, 1, {0, 0}}, 0.5), UsageError);
}

TEST(ThresholdMask, IsWhiteAboveTheThreshold) {
  const std::vector<float> map = {0.2F, 0.5F, 0.6F, kNan};
  EXPECT_EQ(threshold_mask(map, 2, 2, 0.5).pixels, (std::vector<uint8_t>{0, 0, 255, 0}));
  EXPECT_THROW(threshold_mask(map, 2, 3, 0.5), UsageError);
  EXPECT_THROW(threshold_mask(map, INT64_MAX, INT64_MAX, 0.5), UsageError);
}

TEST(Minmax, SpansZeroToOne) {
  EXPECT_EQ(minmax(std::vector<float>{2, 3, 4}), (std::vector<float>{0, 0.5, 1}));
  EXPECT_EQ(minmax(std::vector<float>{-3e38F, 3e38F}), (std::vector<float>{0, 1}));
}

TEST(Minmax, AConstantMapIsZero) {
  EXPECT_EQ(minmax(std::vector<float>{5, 5}), (std::vector<float>{0, 0}));
  EXPECT_TRUE(minmax(std::vector<float>{}).empty());
}

TEST(ByMaximum, KeepsZeroWhereItIs) {
  EXPECT_EQ(by_maximum(std::vector<float>{0, 1, 4}), (std::vector<float>{0, 0.25, 1}));
  EXPECT_EQ(by_maximum(std::vector<float>{0, -1}), (std::vector<float>{0, 0}));
  EXPECT_EQ(by_maximum(std::vector<float>{kInfinity, kNan, 2}), (std::vector<float>{0, 0, 1}));
}

TEST(MapStatistics, CentroidIsAFractionOfTheSides) {
  // 2 rows of 4: all weight in the last column, three quarters of it in the lower row.
  const std::vector<float> map = {0, 0, 0, 1, 0, 0, 0, 3};
  const auto statistics = map_statistics(map, 2, 4);
  EXPECT_EQ(statistics.min, 0);
  EXPECT_EQ(statistics.max, 3);
  EXPECT_EQ(statistics.mean, 0.5);
  EXPECT_EQ(statistics.centroid_x, 3.5 / 4);
  EXPECT_EQ(statistics.centroid_y, (0.25 * 0.5 + 0.75 * 1.5) / 2);
}

TEST(MapStatistics, AMapOfNothingCentresInTheMiddle) {
  const auto statistics = map_statistics(std::vector<float>{0, -1}, 1, 2);
  EXPECT_EQ(statistics.centroid_x, 0.5);
  EXPECT_EQ(statistics.min, -1);
  EXPECT_THROW(map_statistics(std::vector<float>{}, 0, 0), UsageError);
}

TEST(AreaAbove, IsAFraction) {
  EXPECT_EQ(area_above(std::vector<float>{0, 0.5, 0.6F, 1}, 0.5), 0.5);
  EXPECT_EQ(area_above(std::vector<float>{}, 0.5), 0);
}

TEST(Iou, CountsPixelsInside) {
  const Image a{4, 1, 1, {255, 255, 0, 127}};
  const Image b{4, 1, 1, {0, 255, 128, 0}};
  EXPECT_DOUBLE_EQ(iou(a, b), 1.0 / 3);
  EXPECT_EQ(iou(a, a), 1);
  const Image empty{4, 1, 1, {0, 0, 0, 0}};
  EXPECT_EQ(iou(a, empty), 0);
  EXPECT_EQ(iou(empty, empty), 1);
  EXPECT_THROW(iou(a, {1, 1, 1, {0}}), UsageError);
}

TEST(AreaMatchedIou, TakesAsManyPixelsAsTheMaskHas) {
  const Image mask{4, 1, 1, {255, 255, 0, 0}};
  EXPECT_EQ(area_matched_iou(std::vector<float>{9, 8, 7, 6}, mask), 1);
  EXPECT_DOUBLE_EQ(area_matched_iou(std::vector<float>{9, 1, 2, 1}, mask), 1.0 / 3);
  EXPECT_EQ(area_matched_iou(std::vector<float>{0, 0, 1, 1}, mask), 0);
}

TEST(AreaMatchedIou, TiesAndFullMasksAreSettled) {
  const Image full{2, 1, 1, {255, 255}};
  EXPECT_EQ(area_matched_iou(std::vector<float>{kNan, 0}, full), 1);
  const Image first{3, 1, 1, {255, 0, 0}};
  EXPECT_EQ(area_matched_iou(std::vector<float>{1, 1, 1}, first), 1);
  EXPECT_THROW(area_matched_iou(std::vector<float>{1, 1}, first), UsageError);
}

TEST(HeatOver, IsTheGreyPictureUnderTheMapFromZeroToItsLargestValue) {
  const Image picture{2, 1, 3, {255, 0, 0, 0, 0, 255}};
  const WordMap map{1, 2, {0, 0.2F}};
  const auto expected =
      overlay({2, 1, 1, {76, 29}}, colorize(std::vector<float>{0, 1}, 1, 2, Colormap::kJet), 0.5);
  EXPECT_EQ(heat_over(picture, map, Colormap::kJet, 0.5).pixels, expected.pixels);
}

TEST(HeatOver, AMapThatContradictsItselfIsRefused) {
  const Image picture{2, 1, 1, {0, 0}};
  EXPECT_THROW(heat_over(picture, {2, 2, {1, 2, 3}}), UsageError);
}

}  // namespace
}  // namespace sd
