#include <array>
#include <cmath>
#include <numeric>

#include "image/fixtures.h"
#include "sd/core/error.h"
#include "sd/image/mask.h"
#include "sd/image/read.h"
#include "sd/image/region_weights.h"

namespace sd {
namespace {

Image grey(int64_t width, int64_t height, std::vector<uint8_t> pixels) {
  return {width, height, 1, std::move(pixels)};
}

Image solid(int64_t width, int64_t height, uint8_t value) {
  return grey(width, height, std::vector<uint8_t>(static_cast<std::size_t>(width * height), value));
}

TEST(FitMask, SaysWhetherItResized) {
  const auto same = fit_mask(solid(4, 4, 255), {4, 4});
  EXPECT_FALSE(same.resized);
  const auto grown = fit_mask(grey(2, 1, {0, 255}), {8, 4});
  EXPECT_TRUE(grown.resized);
  EXPECT_EQ(grown.mask.width, 8);
  EXPECT_EQ(grown.mask.height, 4);
  EXPECT_EQ(grown.mask.pixels.front(), 0);
  EXPECT_EQ(grown.mask.pixels.back(), 255);
}

TEST(FitMask, ColourBecomesGrey) {
  EXPECT_EQ(fit_mask({1, 1, 3, {255, 255, 255}}, {1, 1}).mask.pixels, std::vector<uint8_t>{255});
}

/// A row of RGBA pixels: a colour and how opaque it is.
Image row(const std::vector<std::array<uint8_t, 4>>& pixels) {
  Image image{static_cast<int64_t>(pixels.size()), 1, 4, {}};
  for (const auto& pixel : pixels)
    image.pixels.insert(image.pixels.end(), pixel.begin(), pixel.end());
  return image;
}

FittedMask taken(const Image& picture) {
  return fit_mask(picture, {picture.width, picture.height});
}

TEST(FitMask, WhatIsPaintedOnNothingIsTheMaskWhateverItsColour) {
  const std::vector<std::array<uint8_t, 3>> colours = {{255, 255, 255}, {0, 0, 0}, {200, 10, 30}};
  for (const auto& [red, green, blue] : colours) {
    const auto mask = taken(row({{0, 0, 0, 0}, {red, green, blue, 255}, {red, green, blue, 100}}));
    EXPECT_EQ(mask.source, MaskSource::kPainted);
    EXPECT_EQ(mask.mask.pixels, (std::vector<uint8_t>{0, 255, 100}));
  }
}

TEST(FitMask, WhatIsErasedFromAPictureIsTheMask) {
  const auto mask =
      taken(row({{10, 200, 30, 255}, {90, 90, 90, 0}, {250, 20, 80, 255}, {0, 0, 9, 200}}));
  EXPECT_EQ(mask.source, MaskSource::kErased);
  EXPECT_EQ(mask.mask.pixels, (std::vector<uint8_t>{0, 255, 0, 55}));
}

TEST(FitMask, AnAlphaChannelThatIsOpaqueEverywhereIsNone) {
  const auto mask = taken(row({{255, 255, 255, 255}, {0, 0, 0, 255}}));
  EXPECT_EQ(mask.source, MaskSource::kLuminance);
  EXPECT_EQ(mask.mask.pixels, (std::vector<uint8_t>{255, 0}));
}

TEST(FitMask, ABrushThatIsNowhereFullyOpaqueIsABrush) {
  const auto mask = taken(row({{7, 7, 7, 0}, {9, 9, 9, 120}, {1, 200, 3, 5}}));
  EXPECT_EQ(mask.source, MaskSource::kPainted);
  EXPECT_EQ(mask.mask.pixels, (std::vector<uint8_t>{0, 120, 5}));
}

TEST(FitMask, ColoursThatALossyFileMovedAreOne) {
  std::vector<std::array<uint8_t, 4>> pixels(400, {250, 20, 30, 255});
  for (std::size_t i = 0; i < pixels.size(); i += 12) pixels[i][1] = 40;
  pixels[0] = {90, 90, 90, 255};  // one of an edge
  pixels[1][3] = 0;
  EXPECT_EQ(taken(row(pixels)).source, MaskSource::kPainted);
}

TEST(FitMask, ADarkPictureIsNoBrush) {
  std::vector<std::array<uint8_t, 4>> pixels;
  for (int i = 0; i < 400; ++i) {
    const auto level = static_cast<uint8_t>(10 + i % 30);
    pixels.push_back({level, level, level, static_cast<uint8_t>(i < 390 ? 255 : 0)});
  }
  EXPECT_EQ(taken(row(pixels)).source, MaskSource::kErased);
}

TEST(FitMask, NothingPaintedIsAnEmptyMask) {
  const auto mask = taken(row({{5, 6, 7, 0}, {80, 0, 0, 0}}));
  EXPECT_EQ(mask.source, MaskSource::kPainted);
  EXPECT_EQ(mask.mask.pixels, (std::vector<uint8_t>{0, 0}));
}

TEST(FitMask, FormatsWithTransparentColoursHaveAlphaToo) {
  for (const char* name : {"palette_transparent.png", "grey_alpha.png", "rgba.png", "alpha.webp"}) {
    EXPECT_NE(taken(test::load_expected(name)).source, MaskSource::kLuminance) << name;
    EXPECT_EQ(taken(decode_image(test::load(name))).mask.pixels,
              taken(test::load_expected(name)).mask.pixels)
        << name;
  }
}

TEST(FitMask, TellsItsBrightestPixelAsItWas) {
  EXPECT_EQ(fit_mask(grey(2, 1, {0, 1}), {2, 1}).brightest, 1);
  EXPECT_EQ(fit_mask(grey(2, 1, {0, 200}), {1, 1}).brightest, 200);
}

TEST(InvertMask, TurnsWhiteToBlack) {
  EXPECT_EQ(invert_mask(grey(3, 1, {0, 255, 100})).pixels, (std::vector<uint8_t>{255, 0, 155}));
  EXPECT_THROW(invert_mask({1, 1, 3, {0, 0, 0}}), UsageError);
}

TEST(GrowMask, WhiteReachesAsFarAsItsRadiusInAllDirections) {
  auto mask = solid(31, 31, 0);
  mask.pixels[15 * 31 + 15] = 255;
  const auto grown = grow_mask(mask, 7.5);
  for (int y = 0; y < 31; ++y) {
    for (int x = 0; x < 31; ++x) {
      const bool near = (x - 15) * (x - 15) + (y - 15) * (y - 15) <= 7.5 * 7.5;
      EXPECT_EQ(grown.pixels[static_cast<std::size_t>(y * 31 + x)], near ? 255 : 0)
          << x << " " << y;
    }
  }
}

TEST(GrowMask, TakesTheLargestValueAndStopsAtTheEdges) {
  EXPECT_EQ(grow_mask(grey(5, 1, {9, 0, 0, 100, 0}), 1).pixels,
            (std::vector<uint8_t>{9, 9, 100, 100, 100}));
  EXPECT_EQ(grow_mask(grey(2, 2, {0, 0, 0, 7}), 1000).pixels, (std::vector<uint8_t>{7, 7, 7, 7}));
  EXPECT_EQ(grow_mask(grey(3, 1, {0, 255, 0}), 0).pixels, (std::vector<uint8_t>{0, 255, 0}));
  EXPECT_THROW(grow_mask({1, 1, 3, {0, 0, 0}}, 1), UsageError);
  EXPECT_THROW(grow_mask(solid(2, 2, 0), -1001), UsageError);
}

TEST(GrowMask, ANegativeRadiusTakesAsMuchAwayAndNothingFromOutsideOfThePicture) {
  EXPECT_EQ(grow_mask(grey(5, 1, {255, 255, 255, 255, 0}), -1).pixels,
            (std::vector<uint8_t>{255, 255, 255, 0, 0}));
  auto disc = solid(31, 31, 0);
  disc.pixels[15 * 31 + 15] = 255;
  const auto grown = grow_mask(disc, 7);
  EXPECT_EQ(grow_mask(grown, -7).pixels, disc.pixels);
}

TEST(BoxMask, IsWhiteInsideAndGreyByTheShareOfAPixelThatItCuts) {
  EXPECT_EQ(box_mask({0.5, 0, 1, 1}, {4, 1}).pixels, (std::vector<uint8_t>{0, 0, 255, 255}));
  EXPECT_EQ(box_mask({0.125, 0, 0.75, 0.5}, {4, 1}).pixels,
            (std::vector<uint8_t>{64, 128, 128, 0}));
  EXPECT_EQ(box_mask({0, 0, 1, 1}, {2, 2}).pixels, std::vector<uint8_t>(4, 255));
}

TEST(BoxMask, BoxesOutsideOfThePictureAreRefused) {
  for (const auto& box : {ShareBox{-0.1, 0, 1, 1}, ShareBox{0, 0, 1.1, 1}, ShareBox{0.5, 0, 0.5, 1},
                          ShareBox{0, 0.6, 1, 0.4}, ShareBox{0, 0, 1, std::nan("")}}) {
    EXPECT_THROW(box_mask(box, {8, 8}), UsageError);
  }
}

TEST(BlurMask, RadiusZeroChangesNothing) {
  const auto mask = grey(3, 1, {0, 255, 100});
  EXPECT_EQ(blur_mask(mask, 0).pixels, mask.pixels);
}

TEST(BlurMask, AnEdgeFollowsTheNormalDistribution) {
  constexpr double sigma = 3;
  auto mask = solid(40, 40, 0);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = i % 40 < 20 ? 0 : 255;
  const auto blurred = blur_mask(mask, sigma);
  for (int x = 0; x < 40; ++x) {
    // The edge lies between pixels 19 and 20. Samples of a Gaussian instead of its integral differ
    // by less than 0.1 %, and the value is rounded to a whole one.
    const double expected = 255 * 0.5 * std::erfc(-(x - 19.5) / (sigma * std::sqrt(2.0)));
    EXPECT_NEAR(blurred.pixels[static_cast<std::size_t>(17 * 40 + x)], expected, 0.8) << x;
  }
}

TEST(BlurMask, ActsAlikeOnRowsAndColumns) {
  auto dot = solid(21, 21, 0);
  dot.pixels[10 * 21 + 10] = 255;
  const auto blurred = blur_mask(dot, 1.5);
  const auto at = [&](std::size_t x, std::size_t y) { return blurred.pixels[y * 21 + x]; };
  for (std::size_t i = 0; i < 21; ++i) EXPECT_EQ(at(i, 10), at(10, i));
  EXPECT_EQ(at(8, 10), at(12, 10));
  EXPECT_GT(at(10, 10), at(11, 10));
}

TEST(BlurMask, EdgesAreReplicated) {
  EXPECT_EQ(blur_mask(solid(5, 3, 200), 50).pixels, solid(5, 3, 200).pixels);
  EXPECT_EQ(blur_mask(solid(1, 1, 255), 1000).pixels, solid(1, 1, 255).pixels);
}

TEST(BlurMask, ARadiusThatIsNoneIsRefused) {
  for (const double radius :
       {-1.0, 1001.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(blur_mask(solid(2, 2, 0), radius), UsageError) << radius;
  }
}

TEST(LatentMask, BoxIsTheMeanOfACell) {
  const auto mask = grey(4, 2,
                         {255, 255, 0, 0,  //
                          255, 255, 0, 255});
  EXPECT_EQ(latent_mask(mask, 1, 2, MaskReduction::kBox), (std::vector<float>{1, 0.25}));
}

TEST(LatentMask, WhiteIsExactlyOneAtAnySize) {
  for (const int64_t side : {1, 3, 7, 13}) {
    const auto mask = latent_mask(solid(97, 45, 255), side, side, MaskReduction::kBox);
    for (const float value : mask) EXPECT_EQ(value, 1.0F);
  }
}

TEST(LatentMask, NearestTakesTheCentre) {
  auto mask = solid(16, 8, 0);
  mask.pixels[4 * 16 + 12] = 255;  // PIL: floor((1 + 0.5) * 8) = 12
  EXPECT_EQ(latent_mask(mask, 1, 2, MaskReduction::kNearest), (std::vector<float>{0, 1}));
}

TEST(LatentMask, WhatCannotBeReducedIsRefused) {
  EXPECT_THROW(latent_mask(solid(8, 8, 0), 0, 1, MaskReduction::kBox), UsageError);
  EXPECT_THROW(latent_mask(solid(8, 8, 0), INT64_MAX, 4, MaskReduction::kNearest), UsageError);
  EXPECT_THROW(latent_mask({1, 1, 3, {0, 0, 0}}, 1, 1, MaskReduction::kBox), UsageError);
}

TEST(PasteOutside, KeepsBytesWhereTheMaskIsBlackOrWhite) {
  Image edited{256, 1, 1, std::vector<uint8_t>(256)};
  std::iota(edited.pixels.begin(), edited.pixels.end(), uint8_t{0});
  const auto original = invert_mask(edited);
  EXPECT_EQ(paste_outside(edited, original, solid(256, 1, 0)).pixels, original.pixels);
  EXPECT_EQ(paste_outside(edited, original, solid(256, 1, 255)).pixels, edited.pixels);
}

TEST(PasteOutside, BlendsBetween) {
  const Image edited{1, 1, 3, {200, 0, 10}};
  const Image original{1, 1, 3, {100, 255, 10}};
  EXPECT_EQ(paste_outside(edited, original, solid(1, 1, 51)).pixels,
            (std::vector<uint8_t>{120, 204, 10}));
}

TEST(PasteOutside, SizesMustAgree) {
  EXPECT_THROW(paste_outside(solid(2, 1, 0), solid(1, 2, 0), solid(2, 1, 0)), UsageError);
  EXPECT_THROW(paste_outside(solid(2, 1, 0), solid(2, 1, 0), solid(1, 2, 0)), UsageError);
  EXPECT_THROW(paste_outside(solid(1, 1, 0), {1, 1, 3, {0, 0, 0}}, solid(1, 1, 0)), UsageError);
}

TEST(RegionWeights, AreSharesOfTheSumOfMasksAndBase) {
  const auto weights = region_weights({grey(2, 1, {255, 0}), grey(2, 1, {255, 255})}, 2, 1, 2);
  ASSERT_EQ(weights.maps.size(), 3u);
  EXPECT_FLOAT_EQ(weights.maps[0][0], 0.5F);
  EXPECT_FLOAT_EQ(weights.maps[1][0], 0.25F);
  EXPECT_FLOAT_EQ(weights.maps[0][1], 2.0F / 3);
  EXPECT_FLOAT_EQ(weights.maps[1][1], 0);
  EXPECT_EQ(region_weights({grey(1, 1, {255})}, 0, 1, 1).maps.size(), 1u);
}

TEST(RegionWeights, PixelsThatNothingCoversAreToldWithAPlace) {
  const auto bare = [] { region_weights({grey(4, 1, {255, 255, 255, 0})}, 0, 1, 4); };
  try {
    bare();
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("25.0 %"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("0.88,0.50"), std::string::npos) << error.what();
  }
  EXPECT_THROW(region_weights({grey(1, 1, {9})}, -1, 1, 1), UsageError);
  EXPECT_THROW(region_weights({grey(1, 1, {9}), grey(2, 1, {9, 9})}, 1, 1, 1), UsageError);
}

}  // namespace
}  // namespace sd
