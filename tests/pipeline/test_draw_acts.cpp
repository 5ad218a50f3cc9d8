// What methods of a drawing tell of what they did, and that telling changes no bit.
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "pipeline/inverted_picture.h"
#include "sd/pipeline/draw_acts.h"
#include "sd/pipeline/guide_watch.h"

namespace sd {
namespace {

using enum InversionMethod;

TEST(ControlActs, GathersMeansAndTheMost) {
  ControlActs acts;
  acts.note(StepInfo{.step = 2, .num_steps = 5}, 0.5);
  acts.note(StepInfo{.step = 3, .num_steps = 5}, 0);
  acts.note_share(0.2);
  acts.note_share(0.4);
  acts.note_loss(1, 0.5);
  acts.note_loss(3, 0.5);
  const auto summary = acts.summary();
  EXPECT_EQ(summary.steps, std::set<int64_t>{2});
  EXPECT_EQ(summary.num_steps, 5);
  EXPECT_EQ(summary.moved, 0.25);
  EXPECT_EQ(summary.most, 0.5);
  EXPECT_NEAR(*summary.share, 0.3, 1e-12);
  EXPECT_EQ(summary.first_loss, 2);
  EXPECT_EQ(summary.last_loss, 0.5);
}

TEST(DrawActs, WithoutMeasuringTheyAskUntilSomethingChanged) {
  DrawActs acts(false, 1), measuring(true, 1);
  for (auto* one : {&acts, &measuring}) {
    EXPECT_TRUE(one->asks(one->concepts[0]));
    one->concepts[0].note(StepInfo{.step = 0, .num_steps = 5}, 0);
    EXPECT_TRUE(one->asks(one->concepts[0]));
    one->concepts[0].note(StepInfo{.step = 1, .num_steps = 5}, 0.1);
  }
  EXPECT_FALSE(acts.asks(acts.concepts[0]));
  EXPECT_TRUE(measuring.asks(measuring.concepts[0]));
}

/// Moves latents by a share of themselves, but for row 1, which it leaves alone.
class Pusher final : public LatentGuide {
 public:
  bool acts(const StepInfo& step) const override { return step.step < 2; }
  torch::Tensor guide(const torch::Tensor& x, const GuidePlace& place,
                      DifferentiableUNet&) override {
    if (place.row == 1) return x;
    counts_.loss_before = 10 - static_cast<double>(counts_.steps);
    counts_.last_loss = counts_.loss_before - 1;
    ++counts_.steps;
    return 1.25 * x;
  }
  GuideCounts counts() const override { return counts_; }

 private:
  GuideCounts counts_;
};

class NoUNet final : public DifferentiableUNet {
 public:
  GradientOutputs evaluate(const torch::Tensor&, const GradientChoice&) override { return {}; }
};

TEST(GuideWatch, TellsHowFarEachStepMovedAndTheLossOfEachRow) {
  const auto acts = std::make_shared<ControlActs>();
  GuideWatch watch(std::make_shared<Pusher>(), acts);
  NoUNet unet;
  const auto x = at::ones({1, 4, 8, 8});
  EXPECT_TRUE(watch.acts({.step = 1, .num_steps = 5}));
  EXPECT_FALSE(watch.acts({.step = 2, .num_steps = 5}));
  for (const int64_t step : {0, 1}) {
    for (const int64_t row : {0, 1, 2}) {
      const GuidePlace place{{step, 5, 0, 0}, 1, 0, row, row};
      EXPECT_TRUE(watch.guide(x, place, unet).equal(row == 1 ? x : 1.25 * x));
    }
  }
  watch.finish();
  const auto summary = acts->summary();
  EXPECT_EQ(summary.steps, (std::set<int64_t>{0, 1}));
  EXPECT_EQ(summary.measured, 4);
  EXPECT_NEAR(summary.moved, 0.25, 1e-6);
  EXPECT_EQ(summary.first_loss, 9.5);  // 10 of row 0, 9 of row 2
  EXPECT_EQ(summary.last_loss, 6.5);   // 7 and 6 at the end
}

/// One step of DDIM's inversion, of which the only measure is that of the result.
TEST(DrawActs, AnInversionTellsHowFarItsSourceIsFromThePath) {
  const auto inversion = test::inverted(test::inversion_request(kDirect, 1));
  auto request = test::edit_along(inversion, kDdim);
  const auto silent = test::drawn(request).latents;
  request.acts = std::make_shared<DrawActs>(true);
  const auto result = test::drawn(request).latents;
  EXPECT_TRUE(result.equal(silent));
  const auto path = request.acts->path.summary();
  EXPECT_EQ(path.measured, 1);
  EXPECT_EQ(path.num_steps, 1);
  const auto picture = inversion.picture_latents();
  const double away = (result[1] - picture).norm().item<double>();
  EXPECT_GT(path.moved, 0);
  EXPECT_NEAR(path.moved, away / picture.norm().item<double>(), 1e-5);
}

TEST(DrawActs, DirectInversionTellsItBeforeTheSourceIsPutBack) {
  const auto inversion = test::inverted(test::inversion_request(kDirect, 3));
  auto request = test::edit_along(inversion, kDirect);
  const auto silent = test::drawn(request).latents;
  request.acts = std::make_shared<DrawActs>(true);
  const auto result = test::drawn(request).latents;
  EXPECT_TRUE(result.equal(silent));
  EXPECT_TRUE(result[1].equal(inversion.picture_latents()));
  const auto path = request.acts->path.summary();
  EXPECT_EQ(path.steps.size(), 3u);
  EXPECT_GT(path.most, 0);
}

TEST(DrawActs, AnInversionIsNotMeasuredForWhoDoesNotMeasure) {
  auto request = test::edit_along(test::inverted(test::inversion_request(kDirect, 2)), kDirect);
  request.acts = std::make_shared<DrawActs>(false);
  test::drawn(request);
  EXPECT_EQ(request.acts->path.summary().measured, 0);
}

}  // namespace
}  // namespace sd
