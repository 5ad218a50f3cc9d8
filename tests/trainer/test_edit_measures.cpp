// Values of torchmetrics 1.8 on the same pictures.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "trainer/edit_measures.h"

namespace sd::train {
namespace {

constexpr int64_t kWidth = 40, kHeight = 32;

Image ramps(int64_t shift) {
  Image image{kWidth, kHeight, 3, {}};
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>((3 * x + 5 * y + 40 * c + shift * x) % 256));
    }
  }
  return image;
}

PixelMask all() { return PixelMask(kWidth * kHeight, 1); }

TEST(EditMeasures, AreThoseOfTorchmetrics) {
  const auto near = nearness(ramps(0), ramps(1), all());
  EXPECT_NEAR(near.psnr, 10.9643994, 1e-5);
  EXPECT_NEAR(near.mse, 0.0800866333, 1e-9);
  EXPECT_NEAR(near.ssim, 0.704424262, 1e-7);  // summed in another order
}

TEST(EditMeasures, EqualPicturesAreAsNearAsCanBe) {
  const auto near = nearness(ramps(0), ramps(0), all());
  EXPECT_EQ(near.mse, 0);
  EXPECT_EQ(near.psnr, Nearness::kMostPsnr);
  EXPECT_NEAR(near.ssim, 1, 1e-12);
}

TEST(EditMeasures, WhatChangesInsideTheBoxesDoesNotCount) {
  auto changed = ramps(0);
  for (int64_t y = 10; y < 14; ++y) {
    for (int64_t x = 12; x < 20; ++x)
      changed.pixels[static_cast<std::size_t>(3 * (y * kWidth + x))] ^= 0x80;
  }
  const PixelBox box{12, 10, 20, 14};
  EXPECT_EQ(nearness(ramps(0), changed, outside_of({box}, 0, kWidth, kHeight)).mse, 0);
  EXPECT_GT(nearness(ramps(0), changed, outside_of({box}, -1, kWidth, kHeight)).mse, 0);
}

TEST(EditMeasures, AMarginWidensBoxesUpToThePicturesEdges) {
  const auto count = [](const PixelMask& mask) { return std::ranges::count(mask, uint8_t{1}); };
  const auto total = static_cast<int64_t>(kWidth * kHeight);
  EXPECT_EQ(count(outside_of({}, 5, kWidth, kHeight)), total);
  EXPECT_EQ(count(outside_of({{2, 3, 10, 9}}, 0, kWidth, kHeight)), total - 8 * 6);
  EXPECT_EQ(count(outside_of({{2, 3, 10, 9}}, 1, kWidth, kHeight)), total - 10 * 8);
  EXPECT_EQ(count(outside_of({{2, 3, 10, 9}}, 4, kWidth, kHeight)), total - 14 * 13);
  EXPECT_EQ(count(outside_of({{2, 3, 10, 9}, {5, 5, 12, 9}}, 0, kWidth, kHeight)),
            total - 8 * 6 - 2 * 4);
  EXPECT_EQ(count(outside_of({{0, 0, 1, 1}}, 100, kWidth, kHeight)), 0);
}

/// What lies outside of the mask does not reach in by the means over boxes alone.
TEST(EditMeasures, ErrorsAreThoseOfThePixelsThatCount) {
  auto changed = ramps(0);
  for (int64_t i = 0; i < kWidth * kHeight; ++i)
    changed.pixels[static_cast<std::size_t>(3 * i)] ^= i % kWidth < 10 ? 51 : 0;
  auto left = all(), right = all();
  for (int64_t i = 0; i < kWidth * kHeight; ++i)
    (i % kWidth < 10 ? right : left)[static_cast<std::size_t>(i)] = 0;
  const auto whole = nearness(ramps(0), changed, all());
  const auto inside = nearness(ramps(0), changed, left);
  EXPECT_NEAR(inside.mse, 4 * whole.mse, 1e-12);  // a quarter of the pixels
  EXPECT_NEAR(inside.psnr, -10 * std::log10(inside.mse), 1e-9);
  EXPECT_LT(inside.ssim, whole.ssim);
  EXPECT_EQ(nearness(ramps(0), changed, right).mse, 0);
}

TEST(EditMeasures, ABoxHoldsItsMasksPixels) {
  std::vector<uint8_t> mask(12, 0);
  mask[4 + 1] = 9;
  mask[8 + 3] = 1;
  const auto box = box_of(mask, 4);
  EXPECT_EQ(box.left, 1);
  EXPECT_EQ(box.top, 1);
  EXPECT_EQ(box.right, 4);
  EXPECT_EQ(box.bottom, 3);
  EXPECT_EQ(box_of(mask, 4, 5).right, 2);
  EXPECT_EQ(box_of(std::vector<uint8_t>(12, 0), 4).right, 0);
}

TEST(EditMeasures, PicturesOfOtherSizesAreRefused) {
  Image other{kHeight, kWidth, 3, std::vector<uint8_t>(3 * kWidth * kHeight)};
  test::expect_error<UsageError>([&] { nearness(ramps(0), other, all()); }, "of one size");
  test::expect_error<UsageError>(
      [&] { nearness(ramps(0), ramps(1), PixelMask(kWidth * kHeight, 0)); }, "no pixel");
}

TEST(EditMeasures, AMeanKnowsItsStandardError) {
  Mean mean;
  for (const double value : {1.0, 2.0, 3.0, 6.0}) mean.add(value);
  EXPECT_DOUBLE_EQ(mean.value(), 3);
  EXPECT_NEAR(mean.error(), 1.08012345, 1e-8);  // √(14/3 / 4)
}

}  // namespace
}  // namespace sd::train
