// What is added to guidance, against diffusers and the published formulas
// (tests/data/families/guidance.safetensors, by tests/tools/make_guidance_values.py).
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "sd/control/fork_swap.h"
#include "sd/control/map_recorder.h"
#include "sd/core/error.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;
using test::family_model;
using test::Golden;
using test::relative_difference;
using test::TinyFamily;

constexpr double kTolerance = 1e-4;  // of the largest latent
const std::string kPrompt = "a red circle above a blue square";

template <typename Request>
Request filled_in(Request request) {
  request.negative_prompt = "blurry";
  request.width = request.height = 64;
  request.steps = 5;
  request.guidance_scale = 7.5;
  request.start_latents = SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 8, 8});
  request.decode = false;
  return request;
}

Txt2ImgRequest request_with(const AddedGuidance& added, double scale = 7.5) {
  auto request = filled_in(Txt2ImgRequest());
  request.prompts = {kPrompt};
  request.guidance_scale = scale;
  request.added = added;
  return request;
}

torch::Tensor drawn(const Txt2ImgRequest& request, TinyFamily family = TinyFamily::kV1Deep) {
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  return txt2img(family_model(family), request, noise).latents[0];
}

void expect_drawn(const Txt2ImgRequest& request, const std::string& name) {
  const Golden golden("families/guidance.safetensors");
  EXPECT_LT(relative_difference(drawn(request), golden[name]), kTolerance) << name;
}

void expect_refused(const AddedGuidance& added, std::string_view what, std::string_view other = "",
                    double scale = 7.5) {
  expect_error<UsageError>([&] { drawn(request_with(added, scale)); }, what, other);
}

TEST(AddedGuidance, PerturbedAttentionIsThatOfDiffusers) {
  expect_drawn(request_with({.pag_scale = 3}), "pag");
  expect_drawn(request_with({.pag_scale = 3}, 1), "pag_alone");
  auto adaptive = request_with(
      {.pag_scale = 3, .pag_layers = "mid, down_blocks.1, up0", .pag_adaptive = 0.004});
  adaptive.guidance_rescale = 0.7;
  expect_drawn(adaptive, "pag_adaptive");
}

TEST(AddedGuidance, SmoothedEnergyIsThatOfThePaper) {
  expect_drawn(request_with({.seg_scale = 3}), "seg");
  expect_drawn(request_with({.seg_scale = 3, .seg_sigma = 0.6, .seg_layers = "mid,input_blocks.1"}),
               "seg_blurred");
}

TEST(AddedGuidance, SelfAttentionGuidanceIsThatOfDiffusers) {
  expect_drawn(request_with({.sag_scale = 0.75}), "sag");
  expect_drawn(request_with({.sag_scale = 0.75}, 1), "sag_alone");
}

TEST(AddedGuidance, FreeUIsThatOfDiffusersAndOfThePaper) {
  AddedGuidance added{.freeu = FreeUFactors{1.5, 1.6, 0.9, 0.2}};
  expect_drawn(request_with(added), "freeu_2");
  added.freeu_version = 1;
  expect_drawn(request_with(added), "freeu_1");
}

TEST(AddedGuidance, DynamicThresholdingIsThatOfTheWebUis) {
  expect_drawn(request_with({.dynamic_threshold = DynamicThreshold{3, 1}}), "threshold");
  expect_drawn(request_with({.dynamic_threshold = DynamicThreshold{3, 0.9}}), "threshold_cut");
}

TEST(AddedGuidance, ProjectedGuidanceIsThatOfDiffusers) {
  expect_drawn(request_with({.apg = ProjectedGuidance{0, 15, 0}}), "apg");
  expect_drawn(request_with({.apg = ProjectedGuidance{0.5, 2.5, -0.5}}), "apg_momentum");
}

TEST(AddedGuidance, NormalizedAttentionIsThatOfThePaper) {
  expect_drawn(request_with({.nag_scale = 5}, 1), "nag");
  expect_drawn(request_with({.nag_scale = 9, .nag_tau = 1.2, .nag_alpha = 0.75}, 1), "nag_limited");
}

TEST(AddedGuidance, FactorsAndScalesOfNoEffectHaveNone) {
  const auto plain = drawn(request_with({}));
  EXPECT_TRUE(plain.equal(drawn(
      request_with({.pag_layers = "down", .seg_sigma = 1, .freeu_version = 1, .nag_tau = 1.5}))));
  AddedGuidance none{.freeu = FreeUFactors{1.5, 1.6, 0.9, 0.2}, .freeu_interval = {0.5, 0.5}};
  EXPECT_TRUE(plain.equal(drawn(request_with(none))));
}

TEST(AddedGuidance, ItEndsWhereTheGuidanceIntervalDoes) {
  auto none = request_with({.pag_scale = 3, .sag_scale = 0.75, .apg = ProjectedGuidance{0, 1, 0}});
  none.guidance_interval = {0.5, 0.5};
  EXPECT_TRUE(drawn(none).equal(drawn(request_with({}, 1))));
}

TEST(AddedGuidance, EverythingGoesTogether) {
  auto request = request_with({.pag_scale = 2,
                               .sag_scale = 0.5,
                               .freeu = FreeUFactors{1.2, 1.2, 0.9, 0.9},
                               .dynamic_threshold = DynamicThreshold{},
                               .apg = ProjectedGuidance{0.5, 5, -0.3},
                               .nag_scale = 3});
  request.guidance_rescale = 0.5;
  request.guidance_interval = {0.2, 0.8};
  EXPECT_TRUE(drawn(request).isfinite().all().item<bool>());
}

/// ε and v are one prediction said in two ways, so what is linear in it is the same.
TEST(AddedGuidance, ModelsThatPredictVelocitiesAreGuidedToo) {
  const auto plain = drawn(request_with({}), TinyFamily::kV1Velocity);
  for (const auto& added : {AddedGuidance{.pag_scale = 2}, AddedGuidance{.sag_scale = 0.5},
                            AddedGuidance{.dynamic_threshold = DynamicThreshold{2, 1}},
                            AddedGuidance{.apg = ProjectedGuidance{0, 2, -0.5}}}) {
    const auto guided = drawn(request_with(added), TinyFamily::kV1Velocity);
    EXPECT_TRUE(guided.isfinite().all().item<bool>());
    EXPECT_GT(relative_difference(guided, plain), 1e-3);
  }
  // η 1 without a limit leaves guidance as it is.
  const auto whole = request_with({.apg = ProjectedGuidance{1, 0, 0}});
  EXPECT_LT(relative_difference(drawn(whole, TinyFamily::kV1Velocity), plain), kTolerance);
}

/// A source and one target, whose second word takes the source's attention.
SwapResult swapped(const AddedGuidance& added, AttentionController* controller) {
  auto request = filled_in(SwapRequest());
  request.steps = 2;
  request.targets = {{"a green circle above a blue square"}};
  request.source = {kPrompt};
  request.added = added;
  request.controller = controller;
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  return draw_swap(family_model(TinyFamily::kV1Deep), request, noise);
}

ForkSwap swap_of_all_tokens() {
  ForkSwapOptions options;
  TokenAlignment alignment{std::vector<double>(77, 1.0), std::vector<int64_t>(77)};
  for (int64_t b = 0; b < 77; ++b) alignment.indices[static_cast<std::size_t>(b)] = b;
  options.alignments = {alignment};
  return ForkSwap(options);
}

TEST(AddedGuidance, ASwapWorksBesidePerturbedRowsAndLeavesTheSourceAlone) {
  auto swap = swap_of_all_tokens();
  const AddedGuidance pag{.pag_scale = 3};
  const auto plain = swapped(pag, nullptr), edited = swapped(pag, &swap);
  EXPECT_LT(relative_difference(edited.source.latents, plain.source.latents), kTolerance);
  EXPECT_GT(relative_difference(edited.targets[0].latents, plain.targets[0].latents), 1e-3);
}

TEST(AddedGuidance, ControlSeesNoPerturbedRow) {
  test::Onlooker onlooker;
  const AddedGuidance pag{.pag_scale = 3};
  swapped(pag, &onlooker);
  ASSERT_EQ(onlooker.last_rows.size(), 4u);  // a target and the source, without and with a prompt
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(onlooker.last_rows[i].conditional, i >= 2) << i;
    // The two perturbed rows stand before them.
    EXPECT_EQ(onlooker.last_rows[i].begin, static_cast<int64_t>(i) + 2) << i;
  }
}

TEST(AddedGuidance, WatchingMapsBesideItChangesNoBit) {
  for (const auto& added : {AddedGuidance{.pag_scale = 3}, AddedGuidance{.sag_scale = 0.75}}) {
    MapRecorder recorder(MapRecorderOptions{});
    const auto plain = swapped(added, nullptr), watched = swapped(added, &recorder);
    EXPECT_TRUE(watched.targets[0].latents.equal(plain.targets[0].latents));
    EXPECT_FALSE(recorder.layers().empty());
  }
}

TEST(AddedGuidance, LayersThatAreNotThereAreNamed) {
  expect_refused({.pag_scale = 3, .pag_layers = "center"}, "pag_layers", "'center'");
  expect_refused({.pag_scale = 3, .pag_layers = ""}, "pag_layers", "no layer's name");
  expect_refused({.pag_scale = 3, .pag_layers = "down.7"}, "no attention there",
                 "down.2 (input_blocks.5)");
  expect_refused({.seg_scale = 3, .seg_layers = "output_blocks.99"}, "seg_layers",
                 "up.0 (output_blocks.0)");
}

TEST(AddedGuidance, AUNetWithoutAMiddleHasNoneToPerturb) {
  for (const auto& added : {AddedGuidance{.pag_scale = 3}, AddedGuidance{.sag_scale = 1}}) {
    expect_error<UsageError>([&] { drawn(request_with(added), TinyFamily::kV1Cut); }, "'mid'",
                             "no attention there");
  }
}

TEST(AddedGuidance, ScalesOutOfRangeAreRefused) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  expect_refused({.pag_scale = kNaN}, "pag is nan");
  expect_refused({.pag_scale = -1}, "pag is -1");
  expect_refused({.pag_scale = 1, .pag_adaptive = kNaN}, "pag_adaptive is nan");
  expect_refused({.seg_scale = 1, .seg_sigma = 0}, "seg_sigma is 0");
  expect_refused({.sag_scale = 1, .sag_sigma = kNaN}, "sag_sigma is nan");
  expect_refused({.dynamic_threshold = DynamicThreshold{7, 1.5}}, "percentile is 1.5");
  expect_refused({.apg = ProjectedGuidance{2, 0, 0}}, "eta is 2");
  expect_refused({.freeu = FreeUFactors{kNaN, 1, 1, 1}}, "freeu");
  expect_refused({.freeu = FreeUFactors{}, .freeu_version = 3}, "freeu_version is 3");
  expect_refused({.nag_scale = kNaN}, "nag is nan");
  expect_refused({.nag_scale = 2, .nag_tau = 0.5}, "nag_tau is 0.5");
  expect_refused({.nag_scale = 2, .nag_alpha = 2}, "nag_alpha is 2");
}

TEST(AddedGuidance, WhatDoesNotGoTogetherIsSaid) {
  expect_refused({.pag_scale = 3, .seg_scale = 3}, "pag and seg");
  auto composed = request_with({.pag_scale = 3});
  composed.prompts = {"a red circle AND a blue square"};
  composed.prompt_syntax = PromptSyntax::kA1111;
  expect_error<UsageError>([&] { drawn(composed); }, "pag", "AND");
  auto cached = request_with({.sag_scale = 0.75});
  cached.deepcache = 2;
  expect_error<UsageError>([&] { drawn(cached); }, "deepcache", "sag");
  auto merged = request_with({.pag_scale = 3, .pag_layers = "down.0"});
  merged.token_merging = 0.5;
  expect_error<UsageError>([&] { drawn(merged); }, "token_merging", "merged");
}

}  // namespace
}  // namespace sd
