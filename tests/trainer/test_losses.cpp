#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "sd/diffusion/schedule.h"
#include "sd/text/clip_tokenizer.h"
#include "trainer/attention_supervision.h"
#include "trainer/diffusion_loss.h"
#include "trainer/latent_cache.h"
#include "trainer/place_supervision.h"
#include "trainer/vocabulary.h"

namespace sd::train {
namespace {

TEST(LossWeights, AreTheFormulaOfTheHeader) {
  const auto weights = loss_weights({0.5, 0.9, 0.01}, 60);
  EXPECT_NEAR(weights[0], 2.0, 1e-12);        // SNR 1: (1 + 1) / 1
  EXPECT_NEAR(weights[1], 5.0 / 9.0, 1e-12);  // SNR 9: 5 / 9
  EXPECT_NEAR(weights[2], 60, 1e-12);         // SNR 1/99: 100, cut
}

TEST(StratifiedTimesteps, CoverTheScheduleEvenlyInU) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
  const auto t = stratified_timesteps(100, 1000, 1.0, generator);
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_GE(t[i].item<int64_t>(), 10 * i);
    EXPECT_LT(t[i].item<int64_t>(), 10 * (i + 1));
  }
  const auto late = stratified_timesteps(1000, 1000, 0.75, generator);
  EXPECT_GT(late.to(at::kDouble).mean().item<double>(), 550);  // 1000 / 1.75 = 571
  EXPECT_LE(late.max().item<int64_t>(), 999);
}

/// One scene: an object in the left half; token 2 names it, token 5 the background.
struct Supervised {
  torch::Tensor groups = at::zeros({1, 77}, at::kByte);
  torch::Tensor masks = at::zeros({1, 2, 16, 16}, at::kByte);
  AttentionSite site{AttentionKind::kCross, UNetPart::kDown, 1, 0};
  StepInfo step;
  std::vector<RowGroup> rows;

  Supervised() {
    groups[0][2] = static_cast<int>(TokenGroup::kObject0);
    groups[0][5] = static_cast<int>(TokenGroup::kBackground);
    masks.select(1, 0).narrow(2, 0, 8).fill_(255);
  }
  AttentionCall call(int64_t side) const { return {site, step, rows, side, side}; }
  /// Attention [1,1,256,77] with `share` on the right word at each pixel, the rest on the wrong
  /// one.
  torch::Tensor attention(double share) const {
    auto probs = at::zeros({1, 1, 16, 16, 77});
    for (const int64_t half : {0, 1}) {
      auto part = probs.narrow(3, 8 * half, 8);
      part.select(4, half == 0 ? 2 : 5).fill_(share);
      part.select(4, half == 0 ? 5 : 2).fill_(1 - share);
    }
    return probs.view({1, 1, 256, 77});
  }
};

double supervised_loss(const Supervised& scene, double share) {
  AttentionSupervision supervision(scene.groups, scene.masks);
  supervision.apply(scene.attention(share), scene.call(16));
  return supervision.loss().item<double>();
}

/// A scene of two, the second object's word at token 3, the text's end at 5: the first object in
/// the left upper quarter, the second one in the right half.
struct Placed {
  torch::Tensor groups = at::zeros({1, 77}, at::kByte);
  torch::Tensor ids = at::full({1, 77}, 320, at::kInt);
  torch::Tensor masks = at::zeros({1, 2, 16, 16}, at::kByte);
  torch::Tensor context = at::zeros({1, 77, 8});

  Placed() {
    groups[0][1] = static_cast<int>(TokenGroup::kObject0);
    groups[0][3] = static_cast<int>(TokenGroup::kObject1);
    ids.narrow(1, 5, 72).fill_(ClipTokenizer::kEos);
    masks[0][0].narrow(0, 0, 8).narrow(1, 0, 8).fill_(255);
    masks[0][1].narrow(1, 8, 8).fill_(255);
    context[0].narrow(0, 5, 72).narrow(1, 0, 4).copy_(at::tensor({-1.0, -1.0, 1.0, 0.0}));
    context[0][3].narrow(0, 0, 2).copy_(at::tensor({1.0, 0.0}));
  }
  double loss() const { return place_loss(context, groups, ids, masks).item<double>(); }
};

TEST(PlaceLoss, IsZeroWhereBothPlacesAreTold) { EXPECT_NEAR(Placed().loss(), 0, 1e-9); }

TEST(PlaceLoss, CountsTheSecondWordAndTheEndApart) {
  Placed word;
  word.context[0][3][0] = -1;  // left instead of right
  EXPECT_NEAR(word.loss(), 4.0 / 2, 1e-6);
  Placed end;
  end.context[0].narrow(0, 5, 36).select(1, 3).fill_(2);  // half of the tokens after the text
  EXPECT_NEAR(end.loss(), 4.0 / 4 / 2, 1e-6);
  Placed other;
  other.context[0][1].fill_(3);  // the first word cannot know
  other.context[0].select(1, 5).fill_(3);
  EXPECT_NEAR(other.loss(), 0, 1e-9);
}

TEST(PlaceLoss, OneObjectHasNone) {
  Placed scene;
  scene.groups[0][3] = 0;
  scene.masks[0][1].zero_();
  EXPECT_EQ(scene.loss(), 0);
}

TEST(AttentionSupervision, RewardsLookingAtTheRightPlace) {
  const Supervised scene;
  EXPECT_LT(supervised_loss(scene, 1.0), 0.01);
  EXPECT_NEAR(supervised_loss(scene, 0.5), 2 * 0.6931, 0.01);  // ln 2 inside, ln 2 outside
  EXPECT_GT(supervised_loss(scene, 0.0), 5);
}

TEST(AttentionSupervision, LooksAtFullAndHalfSizeCrossAttentionOnly) {
  Supervised scene;
  const AttentionSupervision supervision(scene.groups, scene.masks);
  EXPECT_EQ(supervision.use(scene.call(16)), AttentionUse::kChange);
  EXPECT_EQ(supervision.use(scene.call(8)), AttentionUse::kChange);
  EXPECT_EQ(supervision.use(scene.call(4)), AttentionUse::kNone);
  scene.site.kind = AttentionKind::kSelf;
  EXPECT_EQ(supervision.use(scene.call(16)), AttentionUse::kNone);
}

TEST(AttentionSupervision, ACaptionWithoutWordsCostsNothing) {
  Supervised scene;
  scene.groups.zero_();
  EXPECT_EQ(supervised_loss(scene, 0.5), 0);
}

TEST(AttentionSupervision, CanBeLearntFrom) {
  const Supervised scene;
  const auto probs = scene.attention(0.5).requires_grad_();
  AttentionSupervision supervision(scene.groups, scene.masks);
  EXPECT_TRUE(supervision.apply(probs, scene.call(16)).equal(probs));
  supervision.loss().backward();
  EXPECT_LT(probs.grad()[0][0][0][2].item<double>(), 0);  // more on the object's word, please
  EXPECT_GT(probs.grad()[0][0][0][5].item<double>(), 0);
}

TEST(CompactVocabulary, GivesBackTheRowsWhereTheyBelong) {
  const CompactVocabulary words(at::tensor({49406, 320, 2368, 320, 49407}, at::kInt));
  EXPECT_EQ(words.size(), 4);
  EXPECT_TRUE(words.compact(at::tensor({320, 49407})).equal(at::tensor({0, 3}, at::kLong)));
  const auto whole =
      words.expand(at::full({4, 2}, 1.0).mul_(at::tensor({1.0, 2.0, 3.0, 4.0}).view({4, 1})));
  EXPECT_EQ(whole.size(0), ClipTokenizer::kVocabulary);
  EXPECT_EQ(whole[2368][0].item<double>(), 2);
  EXPECT_EQ(whole[0][0].item<double>(), 0);
}

TEST(CompactVocabulary, TakesAnUnknownWordForTheEndOfText) {
  const CompactVocabulary words(at::tensor({320, 49407}, at::kInt));
  EXPECT_EQ(words.compact(at::tensor({999})).item<int64_t>(), 1);
}

TEST(TokenizeCaption, TellsWhatEachTokenIsAbout) {
  Scene scene;
  scene.caption = "a blue smiling face on a red background";
  scene.words = {{WordRole::kTint, 0, 2, 6},
                 {WordRole::kObject, 0, 7, 19},
                 {WordRole::kBackground, -1, 25, 28}};
  std::vector<int32_t> ids(77);
  std::vector<uint8_t> groups(77);
  tokenize_caption(scene, 77, ids.data(), groups.data());
  EXPECT_EQ(ids[0], ClipTokenizer::kBos);
  const std::vector<uint8_t> expected = {0, 0, 3, 1, 1, 0, 0, 5, 0, 0};
  EXPECT_EQ(std::vector<uint8_t>(groups.begin(), groups.begin() + 10), expected);
}

}  // namespace
}  // namespace sd::train
