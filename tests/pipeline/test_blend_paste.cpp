#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "sd/pipeline/blend_paste.h"

namespace sd {
namespace {

TEST(BlendPaste, IsWhiteNearTheEditAndBlackBeyondTheMargin) {
  auto editable = at::zeros({4, 8}, at::kBool);
  editable.narrow(1, 0, 2).fill_(true);  // pixels 0 to 15 of 64
  const auto mask = blend_paste_mask(editable, 64, 32, 16);
  ASSERT_EQ(mask.width, 64);
  ASSERT_EQ(mask.height, 32);
  const auto at = [&](int x) { return mask.pixels[static_cast<std::size_t>(16 * 64 + x)]; };
  EXPECT_EQ(at(0), 255);
  EXPECT_EQ(at(15), 255);
  EXPECT_GT(at(20), at(26));
  EXPECT_GT(at(26), 0);
  EXPECT_EQ(at(32), 0);
  EXPECT_EQ(at(63), 0);
}

TEST(BlendPaste, WithoutAMarginFollowsTheLatentsPixels) {
  auto editable = at::zeros({2, 2}, at::kBool);
  editable[0][1].fill_(true);
  const auto mask = blend_paste_mask(editable, 16, 16, 0);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x)
      EXPECT_EQ(mask.pixels[static_cast<std::size_t>(y * 16 + x)], y < 8 && x >= 8 ? 255 : 0);
  }
}

}  // namespace
}  // namespace sd
