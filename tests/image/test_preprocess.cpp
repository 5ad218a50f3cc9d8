// Preprocessors against what OpenCV makes of the same pictures (tests/data/image/preprocess.json,
// written by tests/tools/make_preprocess_values.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "sd/image/preprocess.h"
#include "sd/image/read.h"

namespace sd {
namespace {

constexpr int kFormulas = 17;

/// Picture `number` of the script's formula.
Image formula(int64_t number) {
  Image image{24 + 37 * number % 101, 20 + 53 * number % 89, 3, {}};
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        int64_t value =
            (x * x * (number + 1) / (9 + number) + y * y * (c + 2) / 13 + x * y / 8) & 255;
        if ((x / (5 + number) + y / (7 + c)) % 2 == 1) value = 255 - value;
        auto noise = static_cast<uint64_t>(x * 374761393 + y * 668265263 + c * 2147483647 +
                                           number * 1013904223) &
                     0xFFFFFFFF;
        noise = ((noise ^ (noise >> 13)) * 1274126177) & 0xFFFFFFFF;
        noise ^= noise >> 16;
        value += static_cast<int64_t>(noise & ((uint64_t{1} << (number % 6)) - 1));
        image.pixels.push_back(static_cast<uint8_t>(std::min<int64_t>(value, 255)));
      }
    }
  }
  return image;
}

const nlohmann::json& values() {
  static const auto json = [] {
    std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "image/preprocess.json");
    return nlohmann::json::parse(file);
  }();
  return json;
}

Image picture(int number) {
  if (number < kFormulas) return formula(number);
  const auto name = values()["files"][static_cast<std::size_t>(number - kFormulas)];
  return to_rgb(read_image(std::filesystem::path(SD_SOURCE_DIR) / name.get<std::string>()));
}

std::string hash_of(const Image& image) {
  return sha256_hex(std::as_bytes(std::span(image.pixels)));
}

TEST(Canny, TwentyPicturesAreOpenCvsToThePixel) {
  const auto& expected = values()["canny"];
  ASSERT_EQ(expected.size(), 20U);
  for (int number = 0; number < 20; ++number)
    EXPECT_EQ(hash_of(canny(picture(number), 100, 200)), expected[static_cast<std::size_t>(number)])
        << "picture " << number;
}

TEST(Canny, ThresholdsMayBeAnyAndInAnyOrder) {
  for (const auto& one : values()["canny_thresholds"])
    EXPECT_EQ(hash_of(canny(formula(3), one["low"], one["high"])), one["edges"]) << one;
}

TEST(Canny, AGreyPictureHasOneGradient) {
  const auto rgb = formula(4);
  Image red{rgb.width, rgb.height, 1, {}};
  for (std::size_t i = 0; i < rgb.pixels.size(); i += 3) red.pixels.push_back(rgb.pixels[i]);
  EXPECT_EQ(hash_of(canny(red, 100, 200)), values()["canny_of_red"]);
}

TEST(Canny, ASmallMapIsTheOneThatIsStored) {
  const auto edges = canny(formula(0), 100, 200);
  std::vector<std::string> rows;
  for (int64_t y = 0; y < edges.height; ++y) {
    rows.emplace_back();
    for (int64_t x = 0; x < edges.width; ++x)
      rows.back() += edges.pixels[static_cast<std::size_t>(y * edges.width + x)] == 255 ? '#' : '.';
  }
  EXPECT_EQ(rows, values()["map"].get<std::vector<std::string>>());
}

TEST(GaussianBlur, IsOpenCvsToTheBit) {
  for (const auto& one : values()["blur"])
    EXPECT_EQ(hash_of(gaussian_blur(formula(5), one["sigma"])), one["rgb"]) << one["sigma"];
}

TEST(GaussianBlur, NothingIsRefused) {
  EXPECT_THROW(gaussian_blur(formula(1), 0), UsageError);
  EXPECT_THROW(gaussian_blur(formula(1), std::numeric_limits<double>::quiet_NaN()), UsageError);
}

TEST(Scribble, LinesAreThoseOfThePublishedFormula) {
  const auto& expected = values()["scribble"];
  for (int number = 0; number < 20; ++number)
    EXPECT_EQ(hash_of(scribble(picture(number), 32)), expected[static_cast<std::size_t>(number)])
        << "picture " << number;
}

TEST(Preprocess, ThresholdIsWhiteWhereAllChannelsAreBrighter) {
  const Image image{3, 1, 3, {128, 200, 255, 127, 255, 255, 0, 0, 0}};
  EXPECT_EQ(preprocess(image, Preprocessor::kThreshold).pixels, (std::vector<uint8_t>{255, 0, 0}));
}

TEST(Preprocess, InvertTurnsEveryValueAround) {
  const Image image{1, 1, 3, {0, 100, 255}};
  EXPECT_EQ(preprocess(image, Preprocessor::kInvert).pixels, (std::vector<uint8_t>{255, 155, 0}));
}

TEST(Preprocess, TileKeepsTheSizeAndLosesDetail) {
  Image stripes{16, 16, 3, {}};
  for (int i = 0; i < 16 * 16; ++i)
    stripes.pixels.insert(stripes.pixels.end(), 3, i % 2 == 0 ? 0 : 200);
  const auto tile = preprocess(stripes, Preprocessor::kTile, {.rate = 2});
  EXPECT_EQ(tile.width, 16);
  EXPECT_EQ(tile.pixels, std::vector<uint8_t>(stripes.pixels.size(), 100));
}

TEST(Preprocess, ShuffleWarpsAndItsSeedDecides) {
  const auto image = formula(7);
  const auto warped = shuffle(image, 1, 16);
  EXPECT_EQ(warped.pixels.size(), image.pixels.size());
  EXPECT_NE(warped.pixels, image.pixels);
  EXPECT_EQ(warped.pixels, shuffle(image, 1, 16).pixels);
  EXPECT_NE(warped.pixels, shuffle(image, 2, 16).pixels);
}

TEST(Preprocess, AShuffledPlainPictureStaysPlain) {
  const Image plain{20, 12, 3, std::vector<uint8_t>(20 * 12 * 3, 77)};
  EXPECT_EQ(shuffle(plain, 5, 8).pixels, plain.pixels);
}

/// Left half red, right half blue, twice as wide as high.
Image two_halves() {
  Image image{16, 8, 3, {}};
  for (int i = 0; i < 16 * 8; ++i) {
    const bool left = i % 16 < 8;
    image.pixels.insert(image.pixels.end(), {static_cast<uint8_t>(left ? 255 : 0), 0,
                                             static_cast<uint8_t>(left ? 0 : 255)});
  }
  return image;
}

std::vector<uint8_t> pixel(const Image& image, int64_t x, int64_t y) {
  const auto at = image.pixels.begin() + (y * image.width + x) * 3;
  return {at, at + 3};
}

TEST(ControlPicture, CropTakesTheMiddle) {
  const auto fitted =
      control_picture(two_halves(), {8, 8}, ControlResize::kCrop, Preprocessor::kNone);
  EXPECT_EQ(fitted.width, 8);
  EXPECT_EQ(pixel(fitted, 3, 4), (std::vector<uint8_t>{255, 0, 0}));
  EXPECT_EQ(pixel(fitted, 4, 4), (std::vector<uint8_t>{0, 0, 255}));
}

TEST(ControlPicture, FillPutsTheBordersMedianAround) {
  Image image = two_halves();
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) image.pixels[i + 1] = 9;
  const auto fitted = control_picture(image, {16, 16}, ControlResize::kFill, Preprocessor::kNone);
  EXPECT_EQ(pixel(fitted, 0, 0)[1], 9);
  EXPECT_EQ(pixel(fitted, 0, 4), (std::vector<uint8_t>{255, 9, 0}));
  EXPECT_EQ(pixel(fitted, 15, 11), (std::vector<uint8_t>{0, 9, 255}));
}

TEST(ControlPicture, StretchKeepsAllOfIt) {
  const auto fitted =
      control_picture(two_halves(), {4, 8}, ControlResize::kStretch, Preprocessor::kNone);
  EXPECT_EQ(pixel(fitted, 1, 0), (std::vector<uint8_t>{255, 0, 0}));
  EXPECT_EQ(pixel(fitted, 2, 0), (std::vector<uint8_t>{0, 0, 255}));
}

TEST(ControlPicture, OfTheSizeItselfIsThePreprocessorsAlone) {
  const auto image = formula(2);
  const auto fitted = control_picture(image, {image.width, image.height}, ControlResize::kCrop,
                                      Preprocessor::kCanny);
  EXPECT_EQ(fitted.pixels, to_rgb(canny(image, 100, 200)).pixels);
}

}  // namespace
}  // namespace sd
