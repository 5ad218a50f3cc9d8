// What latents look like on their way.
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>

#include "sd/pipeline/preview.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

TEST(Preview, OfStableDiffusionsLatentsHasThePublishedColours) {
  // Two samples of 1x2: every channel 0, then channels 1 to 4 alone.
  auto x0 = at::zeros({2, 4, 1, 2});
  x0[0][0][0][1] = 1.0;
  x0[1][1][0][0] = 1.0;
  x0[1][3][0][1] = 1.0;
  const auto pictures = preview_latents(ModelConfig{}, x0);
  ASSERT_EQ(pictures.size(), 2u);
  EXPECT_EQ(pictures[0].width, 2);
  EXPECT_EQ(pictures[0].height, 1);
  // round(255 · (factor / 2 + 0.5)) by hand; 127.5 goes to the even number.
  EXPECT_EQ(pictures[0].pixels, (std::vector<uint8_t>{128, 128, 128, 165, 154, 154}));
  EXPECT_EQ(pictures[1].pixels, (std::vector<uint8_t>{151, 164, 150, 104, 93, 67}));
}

TEST(Preview, OfOtherAutoencodersIsInFalseColoursThatFillTheRange) {
  const auto& config = test::tiny_model().config;
  const auto x0 =
      at::tensor({-1.0, 1.0, 3.0, 5.0}, at::kFloat).view({1, 1, 2, 2}).repeat({1, 4, 1, 1});
  const auto picture = preview_latents(config, x0).at(0);
  ASSERT_EQ(picture.pixels.size(), 12u);
  // Mean 2, deviation sqrt(5): 127.5 ± 255 · {3, 1} / (4 · sqrt(5)).
  const std::vector<uint8_t> levels = {42, 99, 156, 213};
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(picture.pixels[i], levels[i / 3]) << i;
}

TEST(Preview, OfAFlatOrBrokenLatentIsStillAPicture) {
  const auto& config = test::tiny_model().config;
  EXPECT_EQ(preview_latents(config, at::zeros({1, 4, 2, 2})).at(0).pixels.size(), 12u);
  auto broken = at::zeros({1, 4, 2, 2});
  broken[0][0][0][0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(preview_latents(ModelConfig{}, broken).at(0).pixels.size(), 12u);
}

TEST(Preview, LeavesLatentsAlone) {
  const auto x0 = at::tensor({0.5F, -0.5F, 1.5F, 2.5F}).view({1, 4, 1, 1});
  const auto before = x0.clone();
  preview_pictures(test::tiny_model(), x0);
  EXPECT_TRUE(x0.equal(before));
}

}  // namespace
}  // namespace sd
