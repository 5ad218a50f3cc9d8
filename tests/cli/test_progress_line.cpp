#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/shell/progress_line.h"

namespace sd::cli {
namespace {

RunProgress sampling() {
  RunProgress progress;
  progress.stage = {Progress::Stage::kSample, 25, 50};
  progress.first_picture = 4;
  progress.last_picture = 6;
  progress.pictures = 6;
  progress.steps_per_second = 2.5;
  progress.seconds_left = 10;
  return progress;
}

TEST(RenderProgress, ShowsStepsSpeedAndTimeLeft) {
  EXPECT_EQ(render_progress(sampling(), 100),
            "pictures 4-6 of 6 [==========          ] step 25/50, 2.50 steps/s, 0:10 left");
}

TEST(RenderProgress, LeavesOutWhatIsNotKnownYet) {
  auto progress = sampling();
  progress.stage.done = 0;
  progress.steps_per_second = 0;
  EXPECT_EQ(render_progress(progress, 100), "pictures 4-6 of 6 [                    ] step 0/50");
}

TEST(RenderProgress, NamesTheModelBeingLoaded) {
  RunProgress progress;
  progress.stage = {Progress::Stage::kLoad, 3, 4};
  progress.model = "tiny\x1b[2J";
  EXPECT_EQ(render_progress(progress, 100), "loading tiny\\x1b[2J [===============     ]");
}

TEST(RenderProgress, FitsNarrowTerminals) {
  EXPECT_EQ(render_progress(sampling(), 13), "pictures 4-6…");
  EXPECT_EQ(render_progress(sampling(), 1), "");
}

TEST(RenderProgress, SurvivesAStageWithoutSteps) {
  RunProgress progress;
  progress.stage = {Progress::Stage::kLoad, 0, 0};
  progress.model = "m";
  EXPECT_EQ(render_progress(progress, 100), "loading m [                    ]");
}

TEST(StepRate, IsUnknownBeforeTheFirstStep) {
  StepRate rate;
  rate.begin_batch(5);
  EXPECT_EQ(rate.per_second(), 0);
}

TEST(StepRate, AveragesOverBatchesAndLeavesOutThePauses) {
  StepRate rate;
  rate.begin_batch(0);
  rate.finished(10, 5);
  rate.begin_batch(100);  // decoding and writing took 95 s
  rate.finished(10, 105);
  EXPECT_DOUBLE_EQ(rate.per_second(), 2);
}

TEST(FinishedText, TellsABatchsTimeFromTheRuns) {
  EXPECT_EQ(finished_text({4, 4, 6, 6, 8.3, 16.42}),
            "picture 4 of 6 (4-6 together in 8.3 s, 16.4 s in all)");
  EXPECT_EQ(finished_text({2, 2, 2, 2, 3.2, 6.4}), "picture 2 of 2 in 3.2 s (6.4 s in all)");
}

TEST(FinishedText, TheFirstBatchsTimeIsTheRuns) {
  EXPECT_EQ(finished_text({2, 1, 3, 6, 8.1, 8.1}), "picture 2 of 6 (1-3 together in 8.1 s)");
  EXPECT_EQ(finished_text({1, 1, 1, 1, 3.2, 3.2}), "picture 1 of 1 in 3.2 s");
}

TEST(ClockText, CountsHoursOnlyWhenThereAreAny) {
  EXPECT_EQ(clock_text(-1), "0:00");
  EXPECT_EQ(clock_text(7.4), "0:07");
  EXPECT_EQ(clock_text(750), "12:30");
  EXPECT_EQ(clock_text(3723), "1:02:03");
}

TEST(ProgressLine, IsNotShownWhereStderrIsNoTerminal) {
  setenv("TERM", "xterm", 1);
  testing::internal::CaptureStderr();  // makes stderr a file
  EXPECT_FALSE(wants_progress_line(false));
  testing::internal::GetCapturedStderr();
}

TEST(ProgressLine, LeavesNothingBehindWhenCleared) {
  testing::internal::CaptureStderr();
  {
    ProgressLine line(true);
    line.update(sampling());
    line.clear();
    line.clear();
  }
  const auto written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.front(), '\r');
  const auto last = written.substr(written.rfind('\r', written.size() - 2) + 1);
  EXPECT_EQ(last.find_first_not_of(" \r"), std::string::npos) << last;
}

}  // namespace
}  // namespace sd::cli
