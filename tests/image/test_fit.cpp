#include <cmath>
#include <cstdlib>

#include "image/fixtures.h"
#include "sd/image/fit.h"
#include "sd/image/read.h"

namespace sd {

void PrintTo(const Size& size, std::ostream* out) { *out << size.width << " x " << size.height; }

namespace {

TEST(FitSize, SidesAreRoundedDown) {
  EXPECT_EQ(fit_size({512, 512}, {}, {}), (Size{512, 512}));
  EXPECT_EQ(fit_size({1023, 575}, {}, {}), (Size{960, 512}));
  EXPECT_EQ(fit_size({1023, 575}, {}, {}, 32), (Size{992, 544}));  // as the original script
}

TEST(FitSize, SmallPicturesGrowToOneMultiple) {
  EXPECT_EQ(fit_size({1, 1}, {}, {}), (Size{64, 64}));
  EXPECT_EQ(fit_size({63, 200}, {}, {}), (Size{64, 192}));
}

TEST(FitSize, OneGivenSideKeepsTheAspect) {
  EXPECT_EQ(fit_size({400, 300}, 1024, {}), (Size{1024, 768}));
  EXPECT_EQ(fit_size({400, 300}, {}, 512), (Size{640, 512}));  // 682 rounded down
  EXPECT_EQ(fit_size({10000, 10}, 512, {}), (Size{512, 64}));
}

TEST(FitSize, TwoGivenSidesWin) { EXPECT_EQ(fit_size({7, 9}, 512, 256), (Size{512, 256})); }

TEST(FitSize, ASideThatIsNoMultipleIsRefusedWithTheNearest) {
  try {
    fit_size({512, 512}, 500, {});
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "width must be a multiple of 64, not 500 (nearest: 512)");
  }
  EXPECT_THROW(fit_size({512, 512}, {}, 0), UsageError);
  EXPECT_THROW(fit_size({512, 512}, {}, -64), UsageError);
  EXPECT_THROW(fit_size({512, 512}, INT64_MIN, {}), UsageError);
  EXPECT_THROW(fit_size({512, 512}, INT64_MAX, {}), UsageError);
  EXPECT_THROW(fit_size({512, 512}, {}, {}, 0), UsageError);
}

TEST(FitSize, AResultBeyondTheLimitIsRefused) {
  EXPECT_THROW(fit_size({1, kMaxPixels}, {}, {}), UsageError);  // would be 64 wide
  EXPECT_THROW(fit_size({1, 1000000}, 1024, {}), UsageError);
  EXPECT_THROW(fit_size({0, 5}, {}, {}), UsageError);
  EXPECT_THROW(fit_size({INT64_MAX, INT64_MAX}, {}, {}), UsageError);
}

TEST(ToRgb, AlphaIsComposedOverWhite) {
  const Image image{3, 1, 4, {10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 51}};
  EXPECT_EQ(to_rgb(image).pixels, (std::vector<uint8_t>{10, 20, 30, 255, 255, 255, 204, 224, 255}));
}

TEST(ToRgb, GreyIsRepeatedAndRgbKept) {
  EXPECT_EQ(to_rgb({2, 1, 1, {5, 6}}).pixels, (std::vector<uint8_t>{5, 5, 5, 6, 6, 6}));
  EXPECT_EQ(to_rgb({1, 1, 3, {1, 2, 3}}).pixels, (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_THROW(to_rgb({1, 1, 2, {1, 2}}), UsageError);
}

TEST(ToGray, IsPillowsToTheBit) {
  const auto text = test::read_text(test::image_path("to_grey.bin"));
  const Image rgb{500, 1, 3, {text.begin(), text.begin() + 1500}};
  EXPECT_EQ(to_gray(rgb).pixels, (std::vector<uint8_t>(text.begin() + 1500, text.end())));
}

TEST(ToGray, TransparentIsWhite) {
  EXPECT_EQ(to_gray({1, 1, 4, {0, 0, 0, 0}}).pixels, std::vector<uint8_t>{255});
}

}  // namespace
}  // namespace sd
