#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "control/rows.h"
#include "sd/control/scope.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::expect_error;

std::vector<int64_t> steps_in(const StepWindow& window, int64_t num_steps) {
  std::vector<int64_t> steps;
  for (int64_t step = 0; step < num_steps; ++step) {
    if (window.contains({step, num_steps, 0, 0})) steps.push_back(step);
  }
  return steps;
}

TEST(StepWindow, TheWholeRunIsTheDefault) { EXPECT_EQ(steps_in(StepWindow{}, 7).size(), 7u); }

// Published: cross_replace_steps 0.8 of 50 covers int(0.8 · 51) = 40 steps, self_replace_steps 0.4
// int(0.4 · 50) = 20.
TEST(StepWindow, CutsStepsAsThePublishedCodeDoes) {
  EXPECT_EQ(steps_in(StepWindow::cross_steps(0, 0.8), 50).back(), 39);
  EXPECT_EQ(steps_in(StepWindow::steps(0, 0.4), 50).back(), 19);
  EXPECT_EQ(steps_in(StepWindow::cross_steps(0, 0.8), 4).back(), 3);  // int(0.8 · 5) = 4 steps
  EXPECT_EQ(steps_in(StepWindow::steps(0, 0.8), 4).back(), 2);        // int(0.8 · 4) = 3 steps
}

TEST(StepWindow, ItsEndIsNotInIt) {
  EXPECT_EQ(steps_in(StepWindow::steps(0.2, 0.5), 10), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_TRUE(steps_in(StepWindow::steps(0.5, 0.5), 10).empty());
}

TEST(StepWindow, RefusesWhatIsNoWindow) {
  expect_error<UsageError>([] { StepWindow::steps(0.5, 0.4); }, "0.5:0.4", "begin <= end");
  expect_error<UsageError>([] { StepWindow::cross_steps(-0.1, 0.4); }, "-0.1");
  expect_error<UsageError>([] { StepWindow::steps(0, 1.1); }, "1.1");
}

TEST(SiteFilter, ChoosesPartsAndResolutions) {
  AttentionScene scene;  // an up layer whose grid is 2x3: resolution 2
  EXPECT_TRUE(SiteFilter{}.matches(scene.call()));
  EXPECT_TRUE((SiteFilter{{UNetPart::kDown, UNetPart::kUp}, {2, 16}, {}}).matches(scene.call()));
  EXPECT_FALSE((SiteFilter{{UNetPart::kDown}, {}, {}}).matches(scene.call()));
  EXPECT_FALSE((SiteFilter{{}, {3}, {}}).matches(scene.call()));
}

TEST(SiteFilter, GathersNeighbouringHeads) {
  SiteFilter filter;
  filter.heads = {5, 0, 1, 2, 5};
  const auto runs = heads_of(filter, 8);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].begin, 0);
  EXPECT_EQ(runs[0].count, 3);
  EXPECT_EQ(runs[1].begin, 5);
  EXPECT_EQ(runs[1].count, 1);
}

TEST(SiteFilter, RefusesAHeadThatIsNotThere) {
  SiteFilter filter;
  filter.heads = {8};
  expect_error<UsageError>([&] { heads_of(filter, 8); }, "8", "0 to 7");
}

}  // namespace
}  // namespace sd
