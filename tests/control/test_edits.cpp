// What the swaps do to probabilities, against their formulas.
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/fork_swap.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/self_injection.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::distance;
using test::expect_error;

const TokenAlignment kAlignment{{1, 0, 1, 1, 0, 1}, {0, 0, 1, 2, 0, 5}};
/// The same as Prompt-to-Prompt's refinement says it.
const TokenRefinement kRefinement{{0, TokenRefinement::kNew, 1, 2, TokenRefinement::kNew, 5},
                                  kAlignment.mask};

/// A = (1−m)·A_t + m·A_s[indices], written as the formula stands.
torch::Tensor aligned(const torch::Tensor& target, const torch::Tensor& source,
                      const TokenAlignment& alignment) {
  const auto m = at::tensor(alignment.mask, at::kFloat);
  return (1 - m) * target + m * source.index_select(-1, at::tensor(alignment.indices));
}

/// A matrix over six tokens: token 2 of the source becomes tokens 2 and 3 of the target, half each;
/// after them the rest moves up, and the source's last two share the last place.
WordReplacement split_matrix() {
  WordReplacement matrix{6, std::vector<double>(36, 0.0), {}};
  const auto set = [&](int64_t w, int64_t n, double value) {
    matrix.matrix[static_cast<std::size_t>(w * 6 + n)] = value;
  };
  set(0, 0, 1), set(1, 1, 1), set(2, 2, 0.5), set(2, 3, 0.5), set(3, 4, 1), set(4, 5, 1);
  set(5, 5, 1);
  return matrix;
}

torch::Tensor as_tensor(const WordReplacement& matrix) {
  return at::tensor(matrix.matrix, at::kFloat).view({matrix.length, matrix.length});
}

TEST(ForkSwap, FollowsItsFormulaInBothHalvesOfGuidance) {
  AttentionScene scene(2);
  const auto before = scene.probabilities();
  ForkSwapOptions options;
  options.alignments = {kAlignment};
  ForkSwap swap(options);
  ASSERT_EQ(swap.use(scene.call()), AttentionUse::kChange);
  const auto after = swap.apply(before.clone(), scene.call());
  for (const bool conditional : {false, true}) {
    const auto target = scene.of(before, RowGroup::Branch::kTarget, conditional);
    const auto source = scene.of(before, RowGroup::Branch::kSource, conditional);
    EXPECT_TRUE(scene.of(after, RowGroup::Branch::kTarget, conditional)
                    .equal(aligned(target, source, kAlignment)));
    EXPECT_TRUE(scene.of(after, RowGroup::Branch::kSource, conditional).equal(source));
  }
}

TEST(ForkSwap, PairsRowsThatAreShownTheSameOfAPicture) {
  // InstructPix2Pix: without picture, with the picture alone, with picture and text.
  AttentionScene scene;
  scene.rows.clear();
  for (int64_t pass = 0; pass < 3; ++pass) {
    for (const auto branch : {RowGroup::Branch::kTarget, RowGroup::Branch::kSource}) {
      const auto begin = static_cast<int64_t>(scene.rows.size());
      scene.rows.push_back({branch, pass == 2, begin, 1, 0, pass > 0});
    }
  }
  const auto before = scene.probabilities();
  ForkSwapOptions options;
  options.alignments = {kAlignment};
  const auto after = ForkSwap(options).apply(before.clone(), scene.call());
  for (int64_t pass = 0; pass < 3; ++pass) {
    const auto target = before.narrow(0, 2 * pass, 1), source = before.narrow(0, 2 * pass + 1, 1);
    EXPECT_TRUE(after.narrow(0, 2 * pass, 1).equal(aligned(target, source, kAlignment))) << pass;
    EXPECT_TRUE(after.narrow(0, 2 * pass + 1, 1).equal(source)) << pass;
  }
}

TEST(ForkSwap, EachSampleHasItsOwnAlignment) {
  AttentionScene scene(2);
  const auto before = scene.probabilities();
  const TokenAlignment nothing{std::vector<double>(6, 0), std::vector<int64_t>(6, 0)};
  ForkSwapOptions options;
  options.alignments = {nothing, kAlignment};
  const auto after = ForkSwap(options).apply(before.clone(), scene.call());
  EXPECT_TRUE(scene.target(after)[0].equal(scene.target(before)[0]));
  EXPECT_TRUE(scene.target(after)[1].equal(
      aligned(scene.target(before)[1], scene.source(before)[1], kAlignment)));
}

TEST(ForkSwap, LeavesEarlierTimestepsSelfAttentionAndLoneTargetsAlone) {
  ForkSwapOptions options;
  options.alignments = {kAlignment};
  options.tthres = 601;
  ForkSwap swap(options);
  AttentionScene scene;
  EXPECT_EQ(swap.use(scene.call()), AttentionUse::kChange);  // t = 601 is still edited
  scene.step.timestep = 501;
  EXPECT_EQ(swap.use(scene.call()), AttentionUse::kNone);
  scene.step.timestep = 901;
  scene.site.kind = AttentionKind::kSelf;
  EXPECT_EQ(swap.use(scene.call()), AttentionUse::kNone);
  EXPECT_EQ(swap.use(AttentionScene(1, 1, /*source=*/false).call()), AttentionUse::kNone);
}

TEST(ForkSwap, CanBeHeldToHeadsAndConditionalRows) {
  AttentionScene scene;
  const auto before = scene.probabilities();
  ForkSwapOptions options;
  options.alignments = {kAlignment};
  options.sites.heads = {1};
  options.rows = RowChoice::kConditional;
  const auto after = ForkSwap(options).apply(before.clone(), scene.call());
  EXPECT_TRUE(scene.unconditional(after).equal(scene.unconditional(before)));
  EXPECT_TRUE(scene.target(after).select(1, 0).equal(scene.target(before).select(1, 0)));
  EXPECT_FALSE(scene.target(after).select(1, 1).equal(scene.target(before).select(1, 1)));
}

TEST(ForkSwap, RefusesMalformedAlignments) {
  ForkSwapOptions options;
  expect_error<UsageError>([&] { ForkSwap swap(options); }, "no alignment");
  options.alignments = {{{1, 1}, {0, 2}}};
  expect_error<UsageError>([&] { ForkSwap swap(options); }, "index 2", "below 2");
  options.alignments = {{{1, 1}, {0}}};
  expect_error<UsageError>([&] { ForkSwap swap(options); }, "2 mask values", "1 indices");
  options.alignments = {{{1, 1}, {0, 1}}};
  const AttentionScene scene;
  expect_error<UsageError>([&] { ForkSwap(options).apply(scene.probabilities(), scene.call()); },
                           "6 tokens", "over 2");
}

TEST(PromptToPrompt, RefinementTouchesConditionalRowsOnly) {
  AttentionScene scene;
  const auto before = scene.probabilities();
  PromptToPromptOptions options;
  options.edits = {kRefinement};
  const auto after = PromptToPrompt(options).apply(before.clone(), scene.call());
  EXPECT_TRUE(scene.unconditional(after).equal(scene.unconditional(before)));
  EXPECT_TRUE(
      scene.target(after).equal(aligned(scene.target(before), scene.source(before), kAlignment)));
}

TEST(PromptToPrompt, ReplacementMultipliesByItsMatrixAndKeepsRowSums) {
  AttentionScene scene(2);
  const auto before = scene.probabilities();
  PromptToPromptOptions options;
  options.edits = {split_matrix()};
  const auto after = PromptToPrompt(options).apply(before.clone(), scene.call());
  const auto expected = at::matmul(scene.source(before), as_tensor(split_matrix()));
  EXPECT_LT(distance(scene.target(after), expected), 1e-6);
  // Six terms of softmax: float32's last place.
  EXPECT_LT(distance(scene.target(after).sum(-1), at::ones({2, 2, 6})), 1e-6);
}

TEST(PromptToPrompt, TokensFollowTheirOwnSchedules) {
  AttentionScene scene;
  scene.step = {5, 10, 401, 0};
  const auto before = scene.probabilities();
  TokenSchedule schedule;
  schedule.windows.assign(6, StepWindow::cross_steps(0, 0.4));  // over by step 4
  schedule.windows[2] = schedule.windows[3] = StepWindow::cross_steps(0, 1);
  PromptToPromptOptions options;
  options.edits = {split_matrix()};
  options.schedules = {schedule};
  PromptToPrompt edit(options);
  ASSERT_EQ(edit.use(scene.call()), AttentionUse::kChange);
  const auto after = edit.apply(before.clone(), scene.call());
  const auto replaced = at::matmul(scene.source(before), as_tensor(split_matrix()));
  for (int64_t token = 0; token < 6; ++token) {
    const bool follows = token == 2 || token == 3;
    const auto expected = follows ? replaced : scene.target(before);
    EXPECT_LT(distance(scene.target(after).select(-1, token), expected.select(-1, token)), 1e-6)
        << "token " << token;
  }
}

TEST(PromptToPrompt, NoTokenUnderControlMeansFusedAttention) {
  AttentionScene scene;
  scene.step = {9, 10, 1, 0};
  PromptToPromptOptions options;
  options.edits = {kRefinement};
  EXPECT_EQ(PromptToPrompt(options).use(scene.call()), AttentionUse::kNone);  // 0 to 0.8
}

TEST(PromptToPrompt, SeveralTargetsFollowOneSource) {
  AttentionScene scene(2, /*targets=*/2);
  const auto before = scene.probabilities();
  PromptToPromptOptions options;
  options.edits = {kRefinement, kRefinement, split_matrix(), split_matrix()};
  const auto after = PromptToPrompt(options).apply(before.clone(), scene.call());
  EXPECT_TRUE(scene.target(after, 0).equal(
      aligned(scene.target(before, 0), scene.source(before), kAlignment)));
  EXPECT_LT(
      distance(scene.target(after, 1), at::matmul(scene.source(before), as_tensor(split_matrix()))),
      1e-6);
}

TEST(PromptToPrompt, SaysWhenRowsAreMissing) {
  AttentionScene scene(3);
  PromptToPromptOptions options;
  options.edits = {kRefinement, kRefinement};
  expect_error<UsageError>(
      [&] { PromptToPrompt(options).apply(scene.probabilities(), scene.call()); }, "2 given");
}

TEST(SelfInjection, GivesTheTargetTheSourcesMapsOfSmallLayers) {
  AttentionScene scene(2);
  scene.site.kind = AttentionKind::kSelf;
  const auto before = scene.probabilities();
  SelfInjection injection;
  ASSERT_EQ(injection.use(scene.call()), AttentionUse::kChange);
  const auto after = injection.apply(before.clone(), scene.call());
  EXPECT_TRUE(scene.target(after).equal(scene.source(before)));
  EXPECT_TRUE(scene.source(after).equal(scene.source(before)));
  EXPECT_TRUE(scene.unconditional(after).equal(scene.unconditional(before)));
  scene.site.downsampling = 2;  // 32×32 at 512×512
  EXPECT_EQ(injection.use(scene.call()), AttentionUse::kNone);
}

TEST(SelfInjection, EndsWithItsWindow) {
  AttentionScene scene;
  scene.site.kind = AttentionKind::kSelf;
  scene.step = {4, 10, 501, 0};  // int(0.4 · 10) = 4 steps
  EXPECT_EQ(SelfInjection().use(scene.call()), AttentionUse::kNone);
}

}  // namespace
}  // namespace sd
