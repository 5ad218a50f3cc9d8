#include <gtest/gtest.h>

#include "cli/shell/time_notice.h"

namespace sd::cli {
namespace {

TEST(TimeNotice, SaysHowMuchIsDrawn) {
  EXPECT_EQ(size_of_run({6, 2, 50, 512, 512}), "6 pictures of 512x512 in 2 batches, 50 steps each");
  EXPECT_EQ(size_of_run({1, 1, 1, 64, 128}), "1 picture of 64x128 in 1 batch, 1 step each");
}

TEST(TimeNotice, EstimatesALongRunAndSaysHowToDrawOnePicture) {
  EXPECT_EQ(estimate_notice({6, 2, 50, 512, 512}, 15),
            "these 6 pictures will take about 25 minutes on this CPU\n"
            "One picture takes about 4 minutes: --n_samples 1 --n_iter 1.");
}

TEST(TimeNotice, IsSilentOfAShortRunAndOfOnePicture) {
  EXPECT_EQ(estimate_notice({6, 2, 50, 512, 512}, 1.19), "");
  EXPECT_NE(estimate_notice({6, 2, 50, 512, 512}, 1.21), "");
  EXPECT_EQ(estimate_notice({1, 1, 50, 512, 512}, 100), "");
}

TEST(TimeNotice, RoundsAsAnEstimateIsRounded) {
  EXPECT_EQ(about_text(0.2), "10 seconds");
  EXPECT_EQ(about_text(44), "40 seconds");
  EXPECT_EQ(about_text(100), "2 minutes");
  EXPECT_EQ(about_text(3600), "60 minutes");
  EXPECT_EQ(about_text(9000), "2.5 hours");
}

}  // namespace
}  // namespace sd::cli
