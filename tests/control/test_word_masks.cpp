#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <vector>

#include "sd/control/word_masks.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd {
namespace {

constexpr int64_t kHeight = 3, kWidth = 4, kTokens = 6;
const AttentionSite kWatched{AttentionKind::kCross, UNetPart::kDown, 1, 0, 4};
const RowGroup kTarget{.begin = 0, .count = 2};
const RowGroup kSource{.branch = RowGroup::Branch::kSource, .begin = 2, .count = 2};

torch::Tensor random_maps() { return at::rand({2, 3, kHeight * kWidth, kTokens}); }

WordMasks masks_of() { return WordMasks({{{1}, {2, 3}}, {{1}}, 4}); }

void show(WordMasks& masks, const torch::Tensor& probs, const RowGroup& rows, int64_t evaluation,
          const AttentionSite& site = kWatched) {
  const StepInfo step{3, 10, 500, evaluation};
  const std::vector<RowGroup> groups = {rows};
  masks.observe(probs, rows, {site, step, groups, kHeight, kWidth});
}

torch::Tensor stretched(const torch::Tensor& map) {
  return ((map - map.min()) / (map.max() - map.min())).view({kHeight, kWidth});
}

TEST(WordMasks, AreTheMeanOverHeadsAndLayersOfWordsStretchedToOne) {
  auto masks = masks_of();
  const auto first = random_maps(), second = random_maps(), source = random_maps();
  show(masks, first, kTarget, 0);
  show(masks, second, kTarget, 0);
  show(masks, source, kSource, 0);
  const auto both = (first + second).mean(1);
  const auto found = masks.map(RowGroup::Branch::kTarget, 0);
  EXPECT_TRUE(found[0].allclose(stretched(both[0].select(-1, 1))));
  EXPECT_TRUE(found[1].allclose(stretched(both[1].narrow(-1, 2, 2).sum(-1))));
  const auto of_source = masks.map(RowGroup::Branch::kSource, 0);
  EXPECT_TRUE(of_source[1].allclose(stretched(source.mean(1)[1].select(-1, 1))));
}

TEST(WordMasks, BeginAnewInEachCallOfTheUNet) {
  auto masks = masks_of();
  show(masks, random_maps(), kTarget, 0);
  show(masks, random_maps(), kSource, 0);
  const auto later = random_maps();
  show(masks, later, kTarget, 1);
  EXPECT_FALSE(masks.map(RowGroup::Branch::kSource, 0).defined());
  EXPECT_TRUE(masks.map(RowGroup::Branch::kTarget, 0)[0].allclose(
      stretched(later.mean(1)[0].select(-1, 1))));
}

TEST(WordMasks, AMapWithoutContrastIsZero) {
  auto masks = masks_of();
  show(masks, at::full({2, 3, kHeight * kWidth, kTokens}, 0.25), kTarget, 0);
  EXPECT_EQ(masks.map(RowGroup::Branch::kTarget, 0).abs().max().item<float>(), 0);
}

TEST(WordMasks, WatchCrossAttentionOfOneSizeInEveryEvaluation) {
  const auto masks = masks_of();
  const std::vector<RowGroup> groups = {kTarget};
  const auto use = [&](AttentionKind kind, int64_t downsampling, int64_t evaluation) {
    const AttentionSite site{kind, UNetPart::kUp, 1, 0, downsampling};
    const StepInfo step{0, 10, 500, evaluation};
    return masks.use({site, step, groups, kHeight, kWidth});
  };
  EXPECT_EQ(use(AttentionKind::kCross, 4, 0), AttentionUse::kObserve);
  EXPECT_EQ(use(AttentionKind::kCross, 4, 1), AttentionUse::kObserve);
  EXPECT_EQ(use(AttentionKind::kCross, 2, 0), AttentionUse::kNone);
  EXPECT_EQ(use(AttentionKind::kSelf, 4, 0), AttentionUse::kNone);
}

TEST(WordMasks, PartsOfAPromptAndListsWithoutRowsAreRefused) {
  auto masks = masks_of();
  auto part = kTarget;
  part.part = 1;
  test::expect_error<UsageError>([&] { show(masks, random_maps(), part, 0); }, "AND");
  test::expect_error<UsageError>([] { WordMasks({{}, {{1}}, 4}); }, "without rows");
}

}  // namespace
}  // namespace sd
