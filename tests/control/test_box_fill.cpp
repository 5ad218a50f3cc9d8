// Boxes around what looks at a word, against plain loops.
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "control/attention_scene.h"
#include "control/box_fill.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::distance;
using test::expect_error;

constexpr int64_t kHeight = 5, kWidth = 6;
constexpr double kThreshold = 0.5;

/// Probabilities [1,heads,pixels,3] of 5x6 pixels: token 1 gets 0.9 at `looks`, as (y,x), and less
/// than half of that elsewhere; rows sum to 1 and differ.
torch::Tensor looking(const std::vector<std::pair<int64_t, int64_t>>& looks, int64_t heads = 1) {
  const auto probs = at::zeros({1, heads, kHeight * kWidth, 3});
  auto p = probs.accessor<float, 4>();
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t i = 0; i < kHeight * kWidth; ++i) {
      const bool does = std::count(looks.begin(), looks.end(), std::pair(i / kWidth, i % kWidth));
      const float paid = does ? 0.9f : 0.2f;
      const float rest = 1 - paid, part = static_cast<float>(i + head) / 40;
      p[0][head][i][0] = rest * part;
      p[0][head][i][1] = paid;
      p[0][head][i][2] = rest * (1 - part);
    }
  }
  return probs;
}

torch::Tensor filled(const torch::Tensor& probs, const std::vector<int64_t>& tokens = {1}) {
  return fill_box(probs, tokens, kHeight, kWidth, kThreshold);
}

TEST(BoxFill, WhatIsInTheBoxTakesTheMeanRowOfWhatLooks) {
  const std::vector<std::pair<int64_t, int64_t>> looks = {{1, 2}, {3, 1}, {2, 4}};
  const auto before = looking(looks, /*heads=*/2);
  const auto after = filled(before);
  for (int64_t head = 0; head < 2; ++head) {
    auto mean = at::zeros({3});
    for (const auto& [y, x] : looks) mean += before[0][head][y * kWidth + x] / 3;
    for (int64_t y = 0; y < kHeight; ++y) {
      for (int64_t x = 0; x < kWidth; ++x) {
        const bool in_box = y >= 1 && y <= 3 && x >= 1 && x <= 4;
        const bool does = std::count(looks.begin(), looks.end(), std::pair(y, x));
        const auto i = y * kWidth + x;
        const auto expected = in_box && !does ? mean : before[0][head][i];
        EXPECT_LT(distance(after[0][head][i], expected), 1e-6) << head << ": " << y << ',' << x;
      }
    }
  }
  EXPECT_LT(distance(after.sum(-1), at::ones_like(after.select(-1, 0))), 1e-6);
}

TEST(BoxFill, OnePixelIsItsOwnBox) {
  const auto before = looking({{4, 5}});
  EXPECT_TRUE(filled(before).equal(before));
}

TEST(BoxFill, WithoutAnyAttentionNothingIsFilled) {
  const auto none = at::zeros({2, 1, kHeight * kWidth, 3});
  EXPECT_TRUE(filled(none).equal(none));
}

TEST(BoxFill, EachSampleHasItsOwnBox) {
  const auto first = looking({{0, 0}, {1, 1}}), second = looking({{3, 3}, {4, 4}});
  const auto both = filled(at::cat({first, second}));
  EXPECT_TRUE(both.narrow(0, 0, 1).equal(filled(first)));
  EXPECT_TRUE(both.narrow(0, 1, 1).equal(filled(second)));
  EXPECT_FALSE(both.narrow(0, 1, 1).equal(second));
}

TEST(BoxFill, TokensOfAWordCountTogether) {
  auto probs = at::zeros({1, 1, kHeight * kWidth, 3});
  probs.select(-1, 0).fill_(1);
  for (const int64_t token : {1, 2}) {  // each looked at in a corner of a square
    probs[0][0][token * (kWidth + 1)] = at::zeros({3});
    probs[0][0][token * (kWidth + 1)][token] = 1;
  }
  const auto after = filled(probs, {1, 2});
  EXPECT_EQ((after[0][0][kWidth + 2][1].item<float>()), 0.5f);
  EXPECT_EQ((after[0][0][kWidth + 2][2].item<float>()), 0.5f);
  EXPECT_TRUE(filled(probs, {1}).equal(probs));
}

TEST(BoxFill, HalfPrecisionKeepsItsDtypeAndItsSums) {
  const auto before = looking({{0, 0}, {4, 5}, {2, 2}});
  const auto after = filled(before.to(at::kBFloat16));
  ASSERT_EQ(after.scalar_type(), at::kBFloat16);
  EXPECT_LT(distance(after.to(at::kFloat), filled(before)), 0.006);  // three roundings to 8 bits
}

TEST(BoxFill, TokensThatAreNotThereAreRefused) {
  expect_error<UsageError>([&] { filled(looking({{1, 1}}), {3}); }, "token 3", "has 3");
  expect_error<UsageError>([&] { filled(looking({{1, 1}}), {-1}); }, "token -1");
}

TEST(PromptToPromptBoxes, TargetsFollowTheFilledSourceThatStaysAsItIs) {
  AttentionScene scene(2);
  scene.height = kHeight;
  scene.width = kWidth;
  const auto before = scene.probabilities();
  PromptToPromptOptions options;
  std::vector<int64_t> same = {0, 1, 2, 3, 4, 5};
  options.edits = {TokenRefinement{same, std::vector<double>(6, 1)}};
  options.boxes = {{2}, {}};  // the second sample follows the outline
  const auto after = PromptToPrompt(options).apply(before.clone(), scene.call());
  const auto source = scene.source(before);
  EXPECT_TRUE(scene.source(after).equal(source));
  const auto target = scene.target(after);
  EXPECT_TRUE(target.narrow(0, 0, 1).equal(
      fill_box(source.narrow(0, 0, 1), {2}, kHeight, kWidth, options.box_threshold)));
  EXPECT_FALSE(target.narrow(0, 0, 1).equal(source.narrow(0, 0, 1)));
  EXPECT_TRUE(target.narrow(0, 1, 1).equal(source.narrow(0, 1, 1)));
}

TEST(PromptToPromptBoxes, SettingsForOtherNumbersOfRowsAreRefused) {
  PromptToPromptOptions options;
  const TokenRefinement edit{{0, 1}, {1, 1}};
  options.edits = {edit, edit, edit};
  options.boxes = {{0}, {1}};
  expect_error<UsageError>([&] { PromptToPrompt{options}; }, "3 edits", "2 boxes");
}

}  // namespace
}  // namespace sd
