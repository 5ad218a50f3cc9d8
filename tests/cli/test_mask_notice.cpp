#include <gtest/gtest.h>

#include "cli/plan/mask_notice.h"

namespace sd::cli {
namespace {

FittedMask mask(MaskSource source, uint8_t brightest) {
  return {{1, 1, 1, {brightest}}, false, source, brightest};
}

TEST(MaskNotices, SayNothingOfAnOrdinaryMask) {
  EXPECT_TRUE(mask_notices(mask(MaskSource::kLuminance, 255)).empty());
  EXPECT_TRUE(mask_notices(mask(MaskSource::kLuminance, 64)).empty());
}

TEST(MaskNotices, SayWhichPartOfAnAlphaChannelIsDrawnAnew) {
  const auto painted = mask_notices(mask(MaskSource::kPainted, 255));
  ASSERT_EQ(painted.size(), 1u);
  EXPECT_NE(painted[0].find("painted in it (opaque) is drawn anew"), std::string::npos);
  const auto erased = mask_notices(mask(MaskSource::kErased, 255));
  ASSERT_EQ(erased.size(), 1u);
  EXPECT_NE(erased[0].find("erased in it (transparent) is drawn anew"), std::string::npos);
}

TEST(MaskNotices, SayThatThereIsHardlyAnyWhite) {
  const auto faint = mask_notices(mask(MaskSource::kLuminance, 63));
  ASSERT_EQ(faint.size(), 1u);
  EXPECT_NE(faint[0].find("brightest pixel is 63 of 255"), std::string::npos);
  EXPECT_EQ(faint[0].find("multiply"), std::string::npos);
  EXPECT_NE(mask_notices(mask(MaskSource::kLuminance, 1))[0].find("multiply"), std::string::npos);
  EXPECT_EQ(mask_notices(mask(MaskSource::kPainted, 0)).size(), 2u);
}

}  // namespace
}  // namespace sd::cli
