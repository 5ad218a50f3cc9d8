#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/reweight.h"
#include "sd/core/error.h"
#include "sd/nn/attention.h"
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

TEST(Reweight, TokensOfALaterPartAreThatPartsRows) {
  AttentionScene scene(2, 1, /*source=*/false);
  scene.add_part(2);
  const auto before = scene.probabilities();
  const auto after = Reweight(weights({{6 + 2, {3.0}}})).apply(before.clone(), scene.call());
  auto expected = before.clone();
  expected.narrow(0, 4, 2).select(-1, 2).mul_(3.0);
  EXPECT_TRUE(after.equal(expected));
  expect_error<UsageError>(
      [&] {
        Reweight(weights({{12, {3.0}}})).apply(before.clone(), scene.call());
      },
      "token 12 of 12");
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

TEST(Reweight, AWeightOnAllTokensScalesTheLayersOutput) {
  const c10::InferenceMode inference;
  Attention attention(AttentionSite{AttentionKind::kCross, UNetPart::kUp}, 16, 24, 4, 4);
  for (auto& slot : parameter_slots(*attention)) {
    const bool bias = slot.name.ends_with("bias");
    slot.bind(bias ? at::zeros(slot.shape) : at::randn(slot.shape));
  }
  const auto x = at::randn({2, 6, 16}), context = at::randn({2, 77, 24});
  ForwardContext run;
  run.step = {0, 1, 981, 0};
  run.rows = {{RowGroup::Branch::kTarget, false, 0, 1, 0},
              {RowGroup::Branch::kTarget, true, 1, 1, 0}};
  const auto plain = attention->forward(x, context, run, 2, 3);
  ReweightOptions options;
  for (int64_t token = 0; token < 77; ++token) options.weights.push_back({token, {3.0}});
  Reweight control(options);
  run.controller = &control;
  const auto scaled = attention->forward(x, context, run, 2, 3);
  // Sums of 77 products of values below 100, in another order.
  EXPECT_LT(test::distance(scaled[1], plain[1] * 3.0), 1e-3);
  EXPECT_LT(test::distance(scaled[0], plain[0]), 1e-3);
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
