#include <ATen/ops/eye.h>
#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/reweight.h"
#include "sd/control/self_injection.h"
#include "sd/nn/column_edit.h"
#include "sd/pipeline/control_watch.h"

namespace sd {
namespace {

using test::AttentionScene;

std::shared_ptr<Reweight> weight(double value) {
  ReweightOptions options;
  options.weights = {{2, {value}}};
  return std::make_shared<Reweight>(options);
}

TEST(ControlWatch, ChangesNothingOfWhatTheControlDoes) {
  const AttentionScene scene(2);
  const auto before = scene.probabilities();
  ControlWatch watch(weight(3), std::make_shared<ControlActs>(), true);
  const auto watched = watch.apply(before.clone(), scene.call());
  EXPECT_TRUE(watched.equal(weight(3)->apply(before.clone(), scene.call())));
}

TEST(ControlWatch, MeasuresHalfTheSumOfDifferencesOverTargetsPixelsAndHeads) {
  const AttentionScene scene(2);
  const auto before = scene.probabilities();
  const auto acts = std::make_shared<ControlActs>();
  ControlWatch(weight(3), acts, true).apply(before.clone(), scene.call());
  // A weight of 3 adds twice what the token was paid: half of that on the mean over pixels.
  const double expected = scene.target(before).select(-1, 2).mean().item<double>();
  const auto summary = acts->summary();
  EXPECT_NEAR(summary.moved, expected, 1e-6);
  EXPECT_NEAR(summary.most, expected, 1e-6);
  ASSERT_TRUE(summary.most_at);
  EXPECT_EQ(summary.most_at->block, scene.site.block);
  EXPECT_EQ(summary.most_at->width, scene.width);
  EXPECT_EQ(summary.steps, std::set<int64_t>{scene.step.step});
  EXPECT_EQ(summary.num_steps, scene.step.num_steps);
}

TEST(ControlWatch, SeesThatEqualRowsGiveAnEditNothingToDo) {
  AttentionScene scene;
  scene.site.kind = AttentionKind::kSelf;
  auto probs = scene.probabilities();
  scene.target(probs).copy_(scene.source(probs));
  const auto acts = std::make_shared<ControlActs>();
  ControlWatch(std::make_shared<SelfInjection>(), acts, true).apply(probs, scene.call());
  EXPECT_FALSE(acts->acted());
  EXPECT_EQ(acts->summary().num_steps, scene.step.num_steps);
}

TEST(ControlWatch, WithoutMeasuringItLooksUntilSomethingChanged) {
  const AttentionScene scene(2);
  const auto acts = std::make_shared<ControlActs>();
  ControlWatch watch(weight(3), acts, false);
  for (int call = 0; call < 3; ++call) watch.apply(scene.probabilities(), scene.call());
  EXPECT_TRUE(acts->acted());
  EXPECT_EQ(acts->summary().measured, 1);
}

TEST(ControlWatch, AChangeOfAllLayersAtOnceIsNotedAndNotMeasured) {
  const AttentionScene scene;
  const auto acts = std::make_shared<ControlActs>();
  ControlWatch watch(weight(3), acts, true);
  const auto plain = column_edit_of(*weight(3), scene.step, scene.rows, scene.tokens);
  const auto watched = column_edit_of(watch, scene.step, scene.rows, scene.tokens);
  EXPECT_TRUE(plain == watched);
  const auto summary = acts->summary();
  EXPECT_TRUE(summary.everywhere);
  EXPECT_EQ(summary.measured, 0);
}

}  // namespace
}  // namespace sd
