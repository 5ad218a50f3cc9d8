#include <cmath>
#include <cstring>

#include "image/fixtures.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"

namespace sd {
namespace {

std::vector<uint8_t> take(std::istream& in, int64_t count) {
  std::vector<uint8_t> bytes(static_cast<std::size_t>(count));
  in.read(reinterpret_cast<char*>(bytes.data()), count);
  EXPECT_TRUE(in);
  return bytes;
}

std::vector<float> take_floats(std::istream& in, int64_t count) {
  const auto bytes = take(in, count * 4);
  std::vector<float> values(static_cast<std::size_t>(count));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Image solid(int64_t width, int64_t height, int64_t channels, uint8_t value) {
  return {width, height, channels,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * channels), value)};
}

TEST(Resize, IsPillowsToTheBit) {
  std::ifstream in(test::image_path("resize.bin"), std::ios::binary);
  int cases = 0;
  int filter = 0;
  int64_t channels = 0, w = 0, h = 0, width = 0, height = 0;
  while (in >> filter >> channels >> w >> h >> width >> height) {
    in.get();  // the line break
    const Image before{w, h, channels, take(in, w * h * channels)};
    const auto expected = take(in, width * height * channels);
    const auto resized = resize(before, width, height, static_cast<Filter>(filter));
    EXPECT_EQ(resized.width, width);
    EXPECT_EQ(resized.height, height);
    EXPECT_EQ(resized.channels, channels);
    EXPECT_TRUE(resized.pixels == expected)
        << "filter " << filter << ", " << channels << " channels, " << w << " x " << h << " to "
        << width << " x " << height;
    ++cases;
  }
  EXPECT_EQ(cases, 13 * 3 * 4);  // sizes, modes, filters of make_image_fixtures.py
}

TEST(Resize, TheSameSizeIsACopy) {
  // With alpha 0 a round trip through premultiplied colours would lose the colour.
  const Image image{1, 1, 4, {1, 2, 3, 0}};
  EXPECT_EQ(resize(image, 1, 1, Filter::kLanczos).pixels, image.pixels);
}

TEST(Resize, HiddenColourDoesNotBleed) {
  const Image image{2, 1, 4, {255, 0, 0, 255, 0, 255, 0, 0}};  // red, and invisible green
  EXPECT_EQ(resize(image, 1, 1, Filter::kBox).pixels, (std::vector<uint8_t>{255, 0, 0, 128}));
}

TEST(Resize, AVeryLongRowHasPillowsRoundingError) {
  // A million weights of 4.19 * 2^-22 are each rounded to 4, so white darkens.
  const auto row = solid(kMaxSide, 1, 1, 255);
  EXPECT_EQ(resize(row, 1, 1, Filter::kBox).pixels, std::vector<uint8_t>{243});
  const auto column = solid(1, kMaxSide, 1, 255);
  EXPECT_EQ(resize(column, 1, 1, Filter::kBox).pixels, std::vector<uint8_t>{243});
}

TEST(Resize, LargePicturesShrink) {
  // 20,000 x 20,000 needs half a gigabyte; a tenth of its rows shows the same.
  const auto small = resize(solid(20000, 2000, 1, 77), 64, 64, Filter::kLanczos);
  EXPECT_EQ(small.pixels, solid(64, 64, 1, 77).pixels);
}

TEST(Resize, TheStepBetweenIsNoLargerThanItsEnds) {
  // Rows first would take 10^12 bytes.
  const auto lying = resize(solid(1, kMaxSide, 1, 77), kMaxSide, 1, Filter::kBilinear);
  EXPECT_EQ(lying.width, kMaxSide);
  EXPECT_EQ(lying.height, 1);
}

TEST(Resize, WhatCannotBeResizedIsRefused) {
  const auto image = solid(2, 2, 3, 0);
  EXPECT_THROW(resize(image, 0, 2, Filter::kBox), UsageError);
  EXPECT_THROW(resize(image, 2, -1, Filter::kBox), UsageError);
  EXPECT_THROW(resize(image, kMaxSide + 1, 2, Filter::kBox), UsageError);
  EXPECT_THROW(resize(image, 20001, 20000, Filter::kBox), UsageError);
  EXPECT_THROW(resize(image, INT64_MAX, INT64_MAX, Filter::kBox), UsageError);
  EXPECT_THROW(resize(Image{}, 2, 2, Filter::kBox), UsageError);
  EXPECT_THROW(resize(Image{2, 2, 3, {1}}, 2, 2, Filter::kBox), UsageError);
  EXPECT_THROW(resize(Image{2, 2, 2, std::vector<uint8_t>(8)}, 2, 2, Filter::kBox), UsageError);
  EXPECT_THROW(resize(Image{INT64_MAX, 2, 1, {}}, 2, 2, Filter::kBox), UsageError);
}

TEST(ResizeMap, IsTorchsInterpolate) {
  std::ifstream in(test::image_path("resize_map.bin"), std::ios::binary);
  int cases = 0;
  int filter = 0;
  int64_t h = 0, w = 0, height = 0, width = 0;
  while (in >> filter >> h >> w >> height >> width) {
    in.get();
    const auto map = take_floats(in, h * w);
    const auto expected = take_floats(in, height * width);
    const auto resized = resize_map(map, h, w, height, width, static_cast<Filter>(filter));
    ASSERT_EQ(resized.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      // Torch computes positions and sums of values below 1 in float32.
      EXPECT_NEAR(resized[i], expected[i], 2e-6) << "filter " << filter << " at " << i;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 5 * 3);
}

TEST(ResizeMap, WhatCannotBeResizedIsRefused) {
  const std::vector<float> map(6);
  EXPECT_THROW(resize_map(map, 2, 2, 4, 4, Filter::kBox), UsageError);
  EXPECT_THROW(resize_map(map, 2, 3, 4, 0, Filter::kBox), UsageError);
  EXPECT_THROW(resize_map(map, 2, 3, 4, 4, Filter::kLanczos), UsageError);
  EXPECT_THROW(resize_map(map, INT64_MAX, INT64_MAX, 4, 4, Filter::kBox), UsageError);
  EXPECT_THROW(resize_map(map, 2, 3, 20001, 20000, Filter::kBox), UsageError);
}

}  // namespace
}  // namespace sd
