// Token merging beside its authors' code (tests/tools/make_approximation_values.py).
#include <ATen/ops/allclose.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "nn/token_merging.h"
#include "sd/core/error.h"
#include "sd/nn/spatial_transformer.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace sd {
namespace {

using test::expect_error;
using test::Golden;
using test::relative_difference;

// The references are float64's; sums of some ten numbers near 1 in float32.
constexpr double kTolerance = 1e-6;

/// Each channel's values in their order.
torch::Tensor sorted(const torch::Tensor& tokens) { return std::get<0>(tokens.sort(1)); }

TEST(TokenMerging, MergesAndUnmergesAsItsAuthorsDo) {
  const Golden golden("goldens/approximations.safetensors");
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{4, 6}, {5, 3}}) {
    const auto size = std::to_string(height) + "x" + std::to_string(width);
    const auto tokens = golden["tokens_" + size];
    for (const std::string ratio : {"0.25", "0.5", "0.75"}) {
      const TokenMerging merging(tokens, height, width, std::stod(ratio));
      const auto merged = merging.merge(2 * tokens + 1);
      const auto name = size + "_" + ratio;
      ASSERT_EQ(merged.sizes(), golden["merged_" + name].sizes()) << name;
      // Their sort leaves the order of targets open; attention does not depend on it.
      EXPECT_LT(relative_difference(sorted(merged), sorted(golden["merged_" + name])), kTolerance)
          << name;
      EXPECT_LT(relative_difference(merging.unmerge(merged), golden["unmerged_" + name]),
                kTolerance)
          << name;
    }
  }
}

TEST(TokenMerging, OfNothingPutsEveryTokenBack) {
  const auto tokens = at::randn({2, 24, 3});
  const TokenMerging merging(tokens, 4, 6, 0);
  EXPECT_TRUE(at::equal(merging.unmerge(merging.merge(tokens)), tokens));
}

TEST(TokenMerging, OfManySourcesIsThatOfFewAtATime) {
  // 48 x 48 have 1728 sources, more than are looked at together; a row of noise has no equal
  // cosines, so that each source's target can be found one by one.
  const auto tokens = at::randn({1, 48 * 48, 8});
  const TokenMerging merging(tokens, 48, 48, 0.75);
  const auto found = merging.unmerge(merging.merge(tokens))[0];
  const auto grid = [&](const torch::Tensor& x) { return x.view({24, 2, 24, 2, 8}); };
  // Everything is merged, so that there are no other values than the targets'.
  const auto targets = grid(found).select(3, 0).select(1, 0).reshape({-1, 8});
  const auto metric = tokens[0] / tokens[0].norm(2, -1, true);
  const auto columns = grid(metric).select(3, 0).select(1, 0).reshape({-1, 8});
  for (const int64_t source : {1, 1000, 48 * 48 - 1}) {
    const auto best = at::matmul(columns, metric[source]).argmax().item<int64_t>();
    EXPECT_TRUE(at::equal(found[source], targets[best])) << source;
  }
}

TEST(TokenMerging, MatchesTheRowsOfABatchEachByItself) {
  const auto tokens = at::randn({2, 24, 3});
  const TokenMerging both(tokens, 4, 6, 0.5), second(tokens.narrow(0, 1, 1), 4, 6, 0.5);
  EXPECT_TRUE(at::allclose(both.merge(tokens).narrow(0, 1, 1), second.merge(tokens.narrow(0, 1, 1)),
                           1e-5, 1e-6));
}

TEST(TokenMerging, TokensOfZerosAreLikeNoOther) {
  const auto tokens = at::zeros({1, 16, 3});
  const TokenMerging merging(tokens, 4, 4, 0.5);
  EXPECT_TRUE(at::equal(merging.unmerge(merging.merge(tokens)), tokens));
}

TEST(TokenMerging, KeepsTheTypeOfWhatIsMerged) {
  const auto tokens = at::randn({1, 24, 3}).to(at::kBFloat16);
  const TokenMerging merging(tokens, 4, 6, 0.5);
  EXPECT_EQ(merging.merge(tokens).scalar_type(), at::kBFloat16);
}

TEST(TokenMerging, RefusesARatioThatLeavesNoTarget) {
  const auto tokens = at::randn({1, 24, 3});
  for (const double ratio : {-0.1, 0.76, std::nan("")})
    expect_error<UsageError>([&] { TokenMerging(tokens, 4, 6, ratio); }, "token_merging");
}

class TokenMergingInALayer : public ::testing::Test {
 protected:
  /// Of layers whose pixels are `downsampling` latent pixels a side.
  static TransformerBlock block_at(int64_t downsampling) {
    SpatialTransformerOptions options;
    options.downsampling = downsampling;
    options.channels = options.context_width = 8;
    options.heads = 2;
    options.head_width = 4;
    TransformerBlock block(options, 0);
    for (auto& slot : parameter_slots(*block)) slot.bind(at::randn(slot.shape) / 4);
    return block;
  }

  /// How much merging half of the pixels changes.
  double difference(TransformerBlock& block) {
    ForwardContext run;
    const auto exact = block->forward(x_, context_, run, 4, 6);
    run.token_merging = 0.5;
    return relative_difference(block->forward(x_, context_, run, 4, 6), exact);
  }

  const c10::InferenceMode inference_;
  torch::Tensor x_ = at::randn({2, 24, 8}), context_ = at::randn({2, 5, 8});
};

TEST_F(TokenMergingInALayer, ChangesThatOfTheLatentsOwnSizeAlone) {
  auto largest = block_at(1), smaller = block_at(2);
  EXPECT_GT(difference(largest), 1e-4);
  EXPECT_EQ(difference(smaller), 0);
}

/// Wants all attention of one kind.
class Wanting final : public AttentionController {
 public:
  explicit Wanting(AttentionKind kind) : kind_(kind) {}
  AttentionUse use(const AttentionCall& call) const override {
    return call.site.kind == kind_ ? AttentionUse::kObserve : AttentionUse::kNone;
  }
  bool observes(const RowGroup&, const AttentionCall&) const override { return true; }
  void observe(const torch::Tensor& probs, const RowGroup&, const AttentionCall&) override {
    seen = probs.sizes().vec();
  }
  std::vector<int64_t> seen;

 private:
  AttentionKind kind_;
};

TEST_F(TokenMergingInALayer, IsRefusedWhereSelfAttentionIsLookedAt) {
  auto largest = block_at(1), smaller = block_at(2);
  Wanting wanting(AttentionKind::kSelf);
  ForwardContext run;
  run.token_merging = 0.5;
  run.rows = {{RowGroup::Branch::kTarget, true, 0, 2}};
  run.controller = &wanting;
  expect_error<UsageError>([&] { largest->forward(x_, context_, run, 4, 6); }, "token_merging",
                           "self-attention");
  smaller->forward(x_, context_, run, 4, 6);
  EXPECT_EQ(wanting.seen, (std::vector<int64_t>{2, 2, 24, 24}));
}

TEST_F(TokenMergingInALayer, LeavesCrossAttentionAllItsPixels) {
  auto largest = block_at(1);
  Wanting wanting(AttentionKind::kCross);
  ForwardContext run;
  run.token_merging = 0.5;
  run.rows = {{RowGroup::Branch::kTarget, true, 0, 2}};
  run.controller = &wanting;
  largest->forward(x_, context_, run, 4, 6);
  EXPECT_EQ(wanting.seen, (std::vector<int64_t>{2, 2, 24, 5}));
}

}  // namespace
}  // namespace sd
