#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/reweight.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::expect_error;

ReweightOptions weights(std::vector<TokenWeight> list) {
  ReweightOptions options;
  options.weights = std::move(list);
  return options;
}

TEST(Reweight, MultipliesOneTokenOfConditionalTargetsOnly) {
  AttentionScene scene(2);
  const auto before = scene.probabilities();
  const auto after = Reweight(weights({{2, {-2.0}}})).apply(before.clone(), scene.call());
  auto expected = before.clone();
  scene.target(expected).select(-1, 2).mul_(-2.0);
  EXPECT_TRUE(after.equal(expected));
}

TEST(Reweight, EachSampleMayHaveItsOwnWeight) {
  AttentionScene scene(3, 1, /*source=*/false);
  const auto before = scene.probabilities();
  const auto after = Reweight(weights({{2, {-2.0, 1.0, 5.0}}})).apply(before.clone(), scene.call());
  auto expected = before.clone();
  scene.target(expected)[0].select(-1, 2).mul_(-2.0);
  scene.target(expected)[2].select(-1, 2).mul_(5.0);
  EXPECT_TRUE(after.equal(expected));
}

TEST(Reweight, MayMeanOneOfSeveralTargets) {
  AttentionScene scene(1, /*targets=*/2);
  const auto before = scene.probabilities();
  const auto after = Reweight(weights({{2, {3.0}, 1}})).apply(before.clone(), scene.call());
  EXPECT_TRUE(scene.target(after, 0).equal(scene.target(before, 0)));
  EXPECT_TRUE(
      scene.target(after, 1).select(-1, 2).equal(scene.target(before, 1).select(-1, 2) * 3));
}

TEST(Reweight, WeightOneLeavesTheFusedKernel) {
  const AttentionScene scene;
  EXPECT_EQ(Reweight(weights({{2, {1.0, 1.0}}})).use(scene.call()), AttentionUse::kNone);
  EXPECT_EQ(Reweight(weights({{2, {1.0, 2.0}}})).use(scene.call()), AttentionUse::kChange);
}

TEST(Reweight, WithAScheduleWeighsOnlyWhatFollowsTheSource) {
  AttentionScene scene;
  scene.step = {5, 10, 401, 0};
  const auto before = scene.probabilities();
  auto options = weights({{2, {2.0}}, {3, {2.0}}});
  TokenSchedule schedule;
  schedule.windows.assign(6, StepWindow::cross_steps(0, 0.4));
  schedule.windows[3] = StepWindow::cross_steps(0, 1);
  options.schedules = {schedule};
  const auto after = Reweight(options).apply(before.clone(), scene.call());
  auto expected = before.clone();
  scene.target(expected).select(-1, 3).mul_(2.0);
  EXPECT_TRUE(after.equal(expected));
}

TEST(Reweight, CanBeHeldToHeads) {
  AttentionScene scene;
  const auto before = scene.probabilities();
  auto options = weights({{2, {2.0}}});
  options.sites.heads = {0};
  const auto after = Reweight(options).apply(before.clone(), scene.call());
  auto expected = before.clone();
  scene.target(expected).select(1, 0).select(-1, 2).mul_(2.0);
  EXPECT_TRUE(after.equal(expected));
}

TEST(Reweight, RefusesTokensAndSamplesThatAreNotThere) {
  const AttentionScene scene(3);
  const auto apply = [&](TokenWeight weight) {
    Reweight(weights({std::move(weight)})).apply(scene.probabilities(), scene.call());
  };
  expect_error<UsageError>([&] { apply({6, {2.0}}); }, "token 6 of 6");
  expect_error<UsageError>([&] { apply({-1, {2.0}}); }, "token -1");
  expect_error<UsageError>([&] { apply({2, {2.0, 3.0}}); }, "2 weights for 3 samples");
}

}  // namespace
}  // namespace sd
