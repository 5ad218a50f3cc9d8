// What is faster and not exact: a guidance interval, DeepCache and token merging, on the tiny
// model.
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "sd/control/fork_swap.h"
#include "sd/control/map_recorder.h"
#include "sd/core/error.h"
#include "sd/models/feature_cache.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "sd/text/alignment.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/sampler_cases.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::expect_error;
using test::Golden;
using test::relative_difference;
using test::tiny_model;

Txt2ImgRequest request_of(const std::vector<std::string>& prompts, int64_t steps = 5) {
  Txt2ImgRequest request;
  request.prompts = prompts;
  request.width = request.height = 64;
  request.steps = steps;
  request.decode = false;
  return request;
}

torch::Tensor drawn(const Txt2ImgRequest& request) {
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  return txt2img(tiny_model(), request, noise).latents;
}

TEST(Approximations, DrawWhatTheirAuthorsCodeDraws) {
  const Golden golden("goldens/approximations.safetensors");
  struct Run {
    std::string name;
    int64_t deepcache;
    double token_merging;
  };
  for (const auto& [name, deepcache, token_merging] :
       {Run{"plain", 1, 0}, Run{"deepcache", 2, 0}, Run{"tome", 1, 0.5}, Run{"both", 2, 0.5}}) {
    auto request =
        request_of({"a red circle above a blue square", "a photo of a house on a snowy mountain"});
    request.start_latents = golden["noise"];
    request.deepcache = deepcache;
    request.token_merging = token_merging;
    // The measure of all trajectories against diffusers.
    EXPECT_LT(relative_difference(drawn(request), golden[name]), 1e-4) << name;
  }
}

class EverySamplerFaster : public ::testing::TestWithParam<SamplerKind> {};

TEST_P(EverySamplerFaster, UsesWhatDeepLayersMadeInAnotherStep) {
  auto fast = request_of({"a red cat"}, 3), exact = fast;
  fast.sampler = exact.sampler = GetParam();
  fast.deepcache = 2;
  const auto found = drawn(fast);
  EXPECT_TRUE(found.isfinite().all().item<bool>());
  EXPECT_GT(relative_difference(found, drawn(exact)), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Approximations, EverySamplerFaster,
                         ::testing::ValuesIn(test::all_sampler_kinds()),
                         [](const auto& each) { return test::case_name(each.param); });

TEST(DeepCache, KeepsNothingForTheNextPicture) {
  auto request = request_of({"a red cat"}, 3), other = request;
  request.deepcache = other.deepcache = 3;
  const auto first = drawn(request);
  other.prompts = {"a blue house"};
  drawn(other);
  EXPECT_TRUE(at::equal(drawn(request), first));
}

TEST(DeepCache, OfOneStepIsExact) {
  auto request = request_of({"a red cat"}, 1);
  const auto exact = drawn(request);
  request.deepcache = 5;
  EXPECT_TRUE(at::equal(drawn(request), exact));
}

TEST(DeepCache, DrawsEachPictureOfABatchAsAlone) {
  auto all = request_of({"a red cat", "a blue house"});
  all.start_latents = at::randn({2, 4, 8, 8});
  all.deepcache = 2;
  const auto together = drawn(all);
  for (int64_t i = 0; i < 2; ++i) {
    auto alone = all;
    alone.prompts = {all.prompts[static_cast<std::size_t>(i)]};
    alone.start_latents = all.start_latents->narrow(0, i, 1);
    EXPECT_LT(relative_difference(together[i], drawn(alone)[0]), 1e-5) << i;
  }
}

TEST(DeepCache, ComputesEverythingWhereThePromptChanges) {
  // The words change in every step, so that no step can use another's.
  auto request = request_of({"a [red|blue] cat"}, 4);
  request.prompt_syntax = PromptSyntax::kA1111;
  const auto exact = drawn(request);
  request.deepcache = 4;
  EXPECT_TRUE(at::equal(drawn(request), exact));
}

TEST(DeepCache, GoesOnWhereGuidanceBeginsAndEnds) {
  auto request = request_of({"a red cat"}, 8);
  request.guidance_interval = {0.25, 0.75};
  const auto exact = drawn(request);
  request.deepcache = 3;
  const auto found = drawn(request);
  EXPECT_TRUE(found.isfinite().all().item<bool>());
  // Nearer than a run of other guidance: the rows that were kept are the right ones.
  auto unguided = request;
  unguided.guidance_scale = 1;
  EXPECT_LT(relative_difference(found, exact), relative_difference(drawn(unguided), exact));
}

TEST(DeepCache, IsRefusedWithAttentionThatItLeavesOut) {
  MapRecorder recorder;
  auto request = request_of({"a red cat"});
  request.deepcache = 2;
  request.controller = &recorder;
  expect_error<UsageError>([&] { drawn(request); }, "deepcache", "attention");
}

TEST(DeepCache, RefusesNoSteps) {
  auto request = request_of({"a red cat"});
  request.deepcache = 0;
  expect_error<UsageError>([&] { drawn(request); }, "deepcache is 0");
}

TEST(FeatureCache, AsksForTheDeepLayersInWholeStepsOnly) {
  FeatureCache cache(3);
  EXPECT_FALSE(cache.find({.step = 1}, 2).defined());  // nothing is kept
  cache.keep(at::randn({2, 3, 4, 4}));
  // Both calls of a step, as PLMS makes in its first.
  for (const int64_t evaluation : {0, 1}) {
    EXPECT_FALSE(cache.find({.step = 3, .evaluation = evaluation}, 2).defined());
    EXPECT_TRUE(cache.find({.step = 4, .evaluation = evaluation}, 2).defined());
    EXPECT_TRUE(cache.find({.step = 5, .evaluation = evaluation}, 2).defined());
  }
  cache.forget();
  EXPECT_FALSE(cache.find({.step = 5}, 2).defined());
}

TEST(FeatureCache, GivesTheLastRowsOfMoreAndNothingForFewer) {
  FeatureCache cache(2);
  const auto kept = at::randn({4, 3, 2, 2});
  cache.keep(kept);
  EXPECT_TRUE(at::equal(cache.find({.step = 1}, 2), kept.narrow(0, 2, 2)));
  EXPECT_FALSE(cache.find({.step = 1}, 5).defined());
}

TEST(GuidanceInterval, ComputesOnlyConditionalRowsOutside) {
  // Notes the rows of each step.
  class Counter final : public AttentionController {
   public:
    AttentionUse use(const AttentionCall& call) const override {
      rows[call.step.step] = call.rows;
      return AttentionUse::kNone;
    }
    mutable std::map<int64_t, std::vector<RowGroup>> rows;
  } counter;
  auto request = request_of({"a red cat", "a blue house"}, 4);
  request.guidance_interval = {0.25, 0.5};
  request.controller = &counter;
  drawn(request);
  ASSERT_EQ(counter.rows.size(), 4u);
  for (const auto& [step, groups] : counter.rows) {
    ASSERT_EQ(groups.size(), step == 1 ? 2u : 1u) << step;
    EXPECT_TRUE(groups.back().conditional) << step;
    EXPECT_EQ(groups.back().begin, step == 1 ? 2 : 0) << step;
    EXPECT_EQ(groups.back().count, 2) << step;
  }
}

TEST(GuidanceInterval, LeavesPartsThatDoNotAddUpTheirUnconditional) {
  // At scale 1 too the negative prompt counts where weights add up to more than 1.
  auto none = request_of({"a red cat AND a dog:0.5"}, 4), one = none;
  none.prompt_syntax = one.prompt_syntax = PromptSyntax::kAuto;
  none.guidance_interval = {0, 0};
  one.guidance_scale = 1;
  EXPECT_TRUE(at::equal(drawn(none), drawn(one)));
}

TEST(GuidanceInterval, LeavesTheSourceOfASwapItsOwnPicture) {
  const std::string source = "a red cat", target = "a blue cat";
  auto plain = request_of({source}, 4);
  plain.guidance_interval = {0.25, 0.75};
  SwapRequest request;
  static_cast<DrawSettings&>(request) = plain;
  request.source = {source};
  request.targets = {{target}};
  const auto& tokenizer = *tiny_model().tokenizer;
  ForkSwapOptions options;
  options.alignments = {align_ids(tokenizer.encode(source).ids, tokenizer.encode(target).ids)};
  ForkSwap swap(options);
  request.controller = &swap;
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  const auto result = draw_swap(tiny_model(), request, noise);
  EXPECT_LT(relative_difference(result.source.latents, drawn(plain)), 1e-4);
  EXPECT_GT(relative_difference(result.targets[0].latents, result.source.latents), 1e-3);
}

TEST(GuidanceInterval, IsRefusedWhereItIsNoPartOfARun) {
  auto request = request_of({"a red cat"});
  for (const StepShare share : {StepShare{0.5, 0.4}, {-0.1, 1}, {0, 1.1}, {0, std::nan("")}}) {
    request.guidance_interval = share;
    expect_error<UsageError>([&] { drawn(request); }, "guidance_interval");
  }
}

TEST(Composition, WithoutGuidanceNeedsNoUnconditionalRowsWhereWeightsAddUpToOne) {
  test::Onlooker onlooker;
  auto request = request_of({"a red cat:0.7 AND a dog:0.3"}, 2);
  request.prompt_syntax = PromptSyntax::kAuto;
  request.guidance_scale = 1;
  request.controller = &onlooker;
  drawn(request);
  ASSERT_EQ(onlooker.last_rows.size(), 2u);
  EXPECT_TRUE(onlooker.last_rows.front().conditional);
}

TEST(TokenMergingOfAPicture, LetsMapsOfWordsBeRecorded) {
  MapRecorder recorder;
  auto request = request_of({"a red cat"}, 2);
  request.token_merging = 0.5;
  const auto without = drawn(request);
  request.controller = &recorder;
  EXPECT_TRUE(at::equal(drawn(request), without));
  EXPECT_FALSE(recorder.layers().empty());
}

TEST(TokenMergingOfAPicture, IsRefusedWhereSelfAttentionIsControlled) {
  test::Onlooker onlooker;
  auto request = request_of({"a red cat"}, 1);
  request.token_merging = 0.5;
  request.controller = &onlooker;
  expect_error<UsageError>([&] { drawn(request); }, "token_merging");
}

}  // namespace
}  // namespace sd
