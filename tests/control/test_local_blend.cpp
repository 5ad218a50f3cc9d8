#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/local_blend.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::expect_error;

/// Latents of a target and a source [2,4,16,16] over maps of 4x4.
class LocalBlendTest : public testing::Test {
 protected:
  LocalBlendTest() : scene_(1) {
    scene_.height = scene_.width = 4;
    rows_ = {{RowGroup::Branch::kTarget, true, 0, 1, 0},
             {RowGroup::Branch::kSource, true, 1, 1, 0}};
    options_.target_words = {{2}};
    options_.source_words = {{3}};
  }

  /// The target looks at token 2 in map pixel (0,0), the source at its token 3 in (3,3); both pay
  /// 0.1 to all tokens elsewhere.
  void show(LocalBlend& blend) {
    for (const auto& group : scene_.rows) {
      if (!group.conditional) continue;
      const bool target = group.branch == RowGroup::Branch::kTarget;
      auto probs = at::ones({1, 2, 16, 6}) * 0.1;
      probs.select(2, target ? 0 : 15).select(-1, target ? 2 : 3).fill_(0.9);
      blend.observe(probs, group, scene_.call());
    }
  }

  torch::Tensor edited(LocalBlend& blend, StepInfo step = {5, 10, 401, 0}) {
    return blend.edit(latents_.clone(), step, rows_);
  }

  /// Where the edited target still is its own.
  torch::Tensor kept(const torch::Tensor& x) {
    return x[0].eq(latents_[0]).all(0);  // [16,16]
  }

  AttentionScene scene_;
  std::vector<RowGroup> rows_;
  LocalBlendOptions options_;
  torch::Tensor latents_ = at::randn({2, 4, 16, 16});
};

TEST_F(LocalBlendTest, OutsideTheWordsLatentsAreTheSourcesBitForBit) {
  LocalBlend blend(options_);
  show(blend);
  const auto x = edited(blend);
  // 3x3 max-pool: the looked-at map pixels and their neighbours, 2x2 in each corner, 4 latents a
  // side each.
  auto expected = at::zeros({16, 16}, at::kBool);
  expected.narrow(0, 0, 8).narrow(1, 0, 8).fill_(true);
  expected.narrow(0, 8, 8).narrow(1, 8, 8).fill_(true);
  EXPECT_TRUE(kept(x).equal(expected));
  EXPECT_TRUE(x[0].masked_select(expected.logical_not())
                  .equal(latents_[1].masked_select(expected.logical_not())));
  EXPECT_TRUE(x[1].equal(latents_[1]));
}

TEST_F(LocalBlendTest, ExceptionsAreTakenOut) {
  options_.except_source = {{3}};
  LocalBlend blend(options_);
  show(blend);
  // Not widened: the 4x4 latents of map pixel (3,3) alone are the source's again.
  auto expected = at::zeros({16, 16}, at::kBool);
  expected.narrow(0, 0, 8).narrow(1, 0, 8).fill_(true);
  expected.narrow(0, 8, 8).narrow(1, 8, 8).fill_(true);
  expected.narrow(0, 12, 4).narrow(1, 12, 4).fill_(false);
  EXPECT_TRUE(kept(edited(blend)).equal(expected));
}

TEST_F(LocalBlendTest, BeginsAfterAFifthOfTheSteps) {
  LocalBlend blend(options_);
  show(blend);
  EXPECT_TRUE(edited(blend, {1, 10, 801, 0}).equal(latents_));
  EXPECT_FALSE(edited(blend, {2, 10, 701, 0}).equal(latents_));
}

TEST_F(LocalBlendTest, AMaskGoesBeforeWords) {
  options_.mask = at::zeros({1, 1, 16, 16});
  options_.mask->narrow(2, 0, 8).fill_(1.0);
  LocalBlend blend(options_);
  EXPECT_EQ(blend.use(scene_.call()), AttentionUse::kNone);
  const auto x = edited(blend);
  EXPECT_TRUE(x[0].narrow(1, 0, 8).equal(latents_[0].narrow(1, 0, 8)));
  EXPECT_TRUE(x[0].narrow(1, 8, 8).equal(latents_[1].narrow(1, 8, 8)));
}

TEST_F(LocalBlendTest, WatchesDownAndUpLayersAtAQuarterOfTheSize) {
  LocalBlend blend(options_);
  EXPECT_EQ(blend.use(scene_.call()), AttentionUse::kObserve);
  scene_.site.part = UNetPart::kMiddle;
  EXPECT_EQ(blend.use(scene_.call()), AttentionUse::kNone);
  scene_.site = {AttentionKind::kCross, UNetPart::kUp, 8, 0, 2};
  EXPECT_EQ(blend.use(scene_.call()), AttentionUse::kNone);
}

TEST_F(LocalBlendTest, WatchesLayersOfTheSizeThatIsAskedFor) {
  options_.downsampling = 2;
  LocalBlend blend(options_);
  EXPECT_EQ(blend.use(scene_.call()), AttentionUse::kNone);
  scene_.site = {AttentionKind::kCross, UNetPart::kUp, 8, 0, 2};
  EXPECT_EQ(blend.use(scene_.call()), AttentionUse::kObserve);
  expect_error<UsageError>([&] { edited(blend); }, "at 1/2 of the latents' size");
}

TEST_F(LocalBlendTest, SaysWhatIsMissing) {
  LocalBlend blend(options_);
  expect_error<UsageError>([&] { edited(blend); }, "no cross-attention");
  rows_.pop_back();
  expect_error<UsageError>([&] { edited(blend); }, "source prompt");
  options_.mask = at::zeros({1, 1, 8, 8});
  rows_.push_back({RowGroup::Branch::kSource, true, 1, 1, 0});
  LocalBlend masked(options_);
  expect_error<UsageError>([&] { edited(masked); }, "[1, 1, 8, 8]", "1,16,16");
  options_.threshold = 2;
  expect_error<UsageError>([&] { LocalBlend other(options_); }, "threshold 2");
}

}  // namespace
}  // namespace sd
