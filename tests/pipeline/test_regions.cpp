// Masks, prompts of regions and concepts, against diffusers' modules
// (tests/data/families/regions.safetensors, by tests/tools/make_region_values.py).
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "sd/control/masked_swap.h"
#include "sd/core/error.h"
#include "sd/pipeline/auto_mask.h"
#include "sd/pipeline/draw.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::expect_error;
using test::family_model;
using test::Golden;
using test::relative_difference;
using test::TinyFamily;

constexpr double kTolerance = 1e-4;  // of the largest latent
const std::string kPrompt = "a red circle above a blue square";
const std::string kSecond = "a green car on a pink background";

const LoadedModel& model() { return family_model(TinyFamily::kV1Deep); }

/// The ramps of tests/tools/make_family_values.py.
torch::Tensor picture() {
  Image image{.width = 64, .height = 64, .channels = 3, .pixels = {}};
  for (int64_t y = 0; y < 64; ++y) {
    for (int64_t x = 0; x < 64; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>((4 * x + 2 * y * c) % 256));
    }
  }
  return to_tensor(image);
}

DrawRequest request_of(const std::string& prompt, SamplerKind sampler = SamplerKind::kDdim) {
  DrawRequest request;
  request.targets = {{prompt}};
  request.prompt_syntax = PromptSyntax::kAuto;
  request.negative_prompt = "blurry";
  request.width = request.height = 64;
  request.steps = 5;
  request.sampler = sampler;
  request.start_latents = SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 8, 8});
  request.decode = false;
  return request;
}

/// Over the picture, its noise drawn like all others.
DrawRequest over_picture(SamplerKind sampler = SamplerKind::kDdim) {
  auto request = request_of(kPrompt, sampler);
  request.start_latents.reset();
  request.init_image = picture();
  request.strength = 1.0;
  return request;
}

torch::Tensor drawn(const DrawRequest& request, TinyFamily family = TinyFamily::kV1Deep) {
  SeededNoise noise(3, RngChoice::kCpu, test::device());
  return draw(family_model(family), request, noise).latents;
}

void expect_near(const torch::Tensor& found, const std::string& name) {
  const Golden golden("families/regions.safetensors");
  EXPECT_LT(relative_difference(found, golden[name]), kTolerance) << name;
}

torch::Tensor columns(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).view({1, 1, 1, 8}).expand({1, 1, 8, 8}).contiguous();
}

/// The second prompt in the right half, with a soft edge.
DrawRequest with_regions(bool in_attention, SamplerKind sampler = SamplerKind::kDdim) {
  auto request = request_of(kPrompt + " AND " + kSecond, sampler);
  const auto second = columns({0, 0, 0, 0.25, 0.75, 1, 1, 1});
  request.part_maps = PromptMaps{{1 - second, second}, in_attention};
  return request;
}

TEST(GradedMask, IsDifferentialDiffusion) {
  auto request = over_picture();
  request.mask = (at::arange(8, at::kFloat) / 7).view({1, 1, 1, 8}).expand({1, 1, 8, 8});
  request.graded_mask = true;
  expect_near(drawn(request)[0], "graded");
}

TEST(RegionalPrompts, PredictionsAreWeighedAtEachPixel) {
  expect_near(drawn(with_regions(false))[0], "latent_couple");
}

TEST(RegionalPrompts, AttentionIsWeighedInEveryLayer) {
  expect_near(drawn(with_regions(true))[0], "attention_couple");
}

TEST(AutoMask, IsThatOfDiffEdit) {
  AutoMaskRequest request;
  request.source = kPrompt;
  request.target = kSecond;
  request.init_image = picture();
  SeededNoise noise(8, RngChoice::kCpu, test::device());
  const auto mask = auto_mask(model(), request, noise);
  ASSERT_EQ(mask.sizes(), at::IntArrayRef({1, 1, 8, 8}));
  EXPECT_TRUE(mask[0].equal(Golden("families/regions.safetensors")["diffedit_mask"]));
}

TEST(ConceptEdits, AreThoseOfLedits) {
  auto request = request_of(kPrompt);
  request.concept_edits = {{"sunglasses", 5, 0.9, {}}, {"a snowy mountain", -4, 0.5, {}}};
  expect_near(drawn(request)[0], "concepts");
}

class EverySampler : public ::testing::TestWithParam<SamplerKind> {};

TEST_P(EverySampler, AGradedMaskOfBlackAndWhiteIsAPlainOne) {
  auto request = over_picture(GetParam());
  request.mask = columns({0, 0, 0, 1, 1, 1, 1, 0});
  const auto plain = drawn(request);
  request.graded_mask = true;
  EXPECT_TRUE(drawn(request).equal(plain));
}

TEST_P(EverySampler, MoreMayChangeWhereAGradedMaskIsLighter) {
  auto request = over_picture(GetParam());
  request.mask = columns({0, 0, 0.5, 0.5, 0.9, 0.9, 1, 1});
  request.graded_mask = true;
  const auto graded = drawn(request);
  request.mask = at::zeros({1, 1, 8, 8});
  const auto kept = drawn(request);
  EXPECT_TRUE(graded.narrow(3, 0, 2).equal(kept.narrow(3, 0, 2)));
  EXPECT_GT(relative_difference(graded.narrow(3, 2, 2), kept.narrow(3, 2, 2)), 1e-3);
}

TEST_P(EverySampler, ARegionThatCountsEverywhereIsItsOwnPrompt) {
  for (const bool in_attention : {false, true}) {
    auto request = with_regions(in_attention, GetParam());
    request.part_maps->weights = {at::zeros({1, 1, 8, 8}), at::ones({1, 1, 8, 8})};
    EXPECT_LT(relative_difference(drawn(request), drawn(request_of(kSecond, GetParam()))),
              kTolerance)
        << in_attention;
  }
}

TEST_P(EverySampler, ARegionThatCountsNowhereChangesNothing) {
  for (const bool in_attention : {false, true}) {
    auto request = with_regions(in_attention, GetParam());
    request.part_maps->weights = {at::ones({1, 1, 8, 8}), at::zeros({1, 1, 8, 8})};
    EXPECT_LT(relative_difference(drawn(request), drawn(request_of(kPrompt, GetParam()))),
              kTolerance)
        << in_attention;
  }
}

TEST_P(EverySampler, ConceptsOfScaleZeroChangeNothing) {
  auto request = request_of(kPrompt, GetParam());
  const auto plain = drawn(request);
  request.concept_edits = {{"sunglasses", 0, 0.9, {}}};
  EXPECT_TRUE(drawn(request).equal(plain));
  request.concept_edits = {{"sunglasses", 5, 0.5, {}}};
  EXPECT_GT(relative_difference(drawn(request), plain), 1e-3);
}

TEST_P(EverySampler, OutsideOfASwapsMaskTargetsAreTheirSource) {
  auto request = request_of(kSecond, GetParam());
  request.source = {kPrompt};
  request.strength = 1.0;
  MaskedSwap mask(columns({0, 0, 0, 0.5, 1, 1, 1, 1}));
  request.latent_edit = &mask;
  const auto both = drawn(request);
  EXPECT_TRUE(both[0].narrow(2, 0, 3).equal(both[1].narrow(2, 0, 3)));
  EXPECT_GT(relative_difference(both[0].narrow(2, 4, 4), both[1].narrow(2, 4, 4)), 0.01);
}

INSTANTIATE_TEST_SUITE_P(Regions, EverySampler, ::testing::ValuesIn(test::all_sampler_kinds()),
                         [](const auto& each) { return test::case_name(each.param); });

TEST(RegionalPrompts, ASwapsSourceIsDrawnByItsOwnPromptAlone) {
  for (const bool in_attention : {false, true}) {
    auto request = with_regions(in_attention);
    request.source = {kPrompt};
    request.strength = 1.0;
    auto alone = request_of(kPrompt);
    alone.strength = 1.0;
    const auto both = drawn(request);
    EXPECT_LT(relative_difference(both[1], drawn(alone)[0]), kTolerance) << in_attention;
    EXPECT_GT(relative_difference(both[0], both[1]), 0.01) << in_attention;
  }
}

TEST(RegionalPrompts, LongPromptsAndOtherSizesWork) {
  std::string longer = kSecond;
  for (int i = 0; i < 30; ++i) longer += ", with a (tree) and a house";
  for (const bool in_attention : {false, true}) {
    auto request = request_of(kPrompt + " AND " + longer);
    request.width = 128;
    request.start_latents =
        SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 8, 16});
    auto second = at::zeros({1, 1, 8, 16});
    second.narrow(3, 8, 8).fill_(1);
    request.part_maps = PromptMaps{{1 - second, second}, in_attention};
    auto first = request_of(kPrompt);
    first.width = 128;
    first.start_latents = request.start_latents;
    EXPECT_GT(relative_difference(drawn(request), drawn(first)), 0.01) << in_attention;
  }
}

TEST(RegionalPrompts, MapsThatDoNotFitAreRefused) {
  auto request = with_regions(false);
  request.part_maps->weights[1] = at::ones({1, 1, 4, 4});
  expect_error<UsageError>([&] { drawn(request); }, "map of part 1", "[1, 1, 4, 4]");
  request.part_maps->weights[1] = -at::ones({1, 1, 8, 8});
  expect_error<UsageError>([&] { drawn(request); }, "map of part 1", "negative");
  request.part_maps->weights[1] = at::ones({1, 1, 8, 8}) * std::numeric_limits<float>::quiet_NaN();
  expect_error<UsageError>([&] { drawn(request); }, "map of part 1");
  request.part_maps->weights.pop_back();
  expect_error<UsageError>([&] { drawn(request); }, "maps of 1 parts", "has 2");
  request = with_regions(true);
  request.part_maps->weights[0] = request.part_maps->weights[1];
  expect_error<UsageError>([&] { drawn(request); }, "at which no prompt counts");
  request = with_regions(true);
  request.added.pag_scale = 3;
  expect_error<UsageError>([&] { drawn(request); }, "regions", "pag");
}

TEST(ConceptEdits, LeaveASourceAlone) {
  auto request = request_of(kSecond);
  request.source = {kPrompt};
  request.strength = 1.0;
  const auto plain = drawn(request);
  request.concept_edits = {{"sunglasses", 5, 0.5, {}}};
  const auto edited = drawn(request);
  EXPECT_LT(relative_difference(edited[1], plain[1]), kTolerance);
  EXPECT_GT(relative_difference(edited[0], plain[0]), 1e-3);
}

TEST(ConceptEdits, RestOutsideOfTheirSteps) {
  auto request = request_of(kPrompt);
  const auto plain = drawn(request);
  request.concept_edits = {{"sunglasses", 5, 0.5, {0.99, 1}}};
  EXPECT_GT(relative_difference(drawn(request), plain), 0);  // int(0.99 * 5) is the last step
  request.concept_edits = {{"sunglasses", 5, 0.5, {0.5, 0.5}}};
  EXPECT_TRUE(drawn(request).equal(plain));
}

TEST(ConceptEdits, GoWithEverythingThatGuides) {
  auto request = request_of(kPrompt);
  request.concept_edits = {{"sunglasses", 5, 0.5, {0.2, 1}}};
  request.added = {.pag_scale = 2, .sag_scale = 0.5, .nag_scale = 3};
  request.guidance_rescale = 0.5;
  request.guidance_interval = {0, 0.8};
  EXPECT_TRUE(drawn(request).isfinite().all().item<bool>());
  // Rows of concepts stand before all others, which are what they are without them.
  auto idle = request;
  idle.concept_edits.front().steps = {0.9, 1};  // outside of the interval
  request.concept_edits.clear();
  EXPECT_TRUE(drawn(idle).equal(drawn(request)));
}

TEST(ConceptEdits, WhatDoesNotFitIsRefused) {
  const auto refused = [](const ConceptEdit& edit, std::string_view what) {
    auto request = request_of(kPrompt);
    request.concept_edits = {edit};
    expect_error<UsageError>([&] { drawn(request); }, what);
  };
  refused({"", 5, 0.9, {}}, "no word in it");
  refused({"a hat", std::numeric_limits<double>::quiet_NaN(), 0.9, {}}, "scale nan");
  refused({"a hat", 5, 1.5, {}}, "threshold 1.5");
  refused({"a hat", 5, 0.9, {0.8, 0.2}}, "steps 0.8:0.2");
  refused({"a hat AND a cat", 5, 0.9, {}}, "AND");
  auto request = request_of(kPrompt);
  request.concept_edits = {{"a hat", 5, 0.9, {}}};
  request.deepcache = 3;
  expect_error<UsageError>([&] { drawn(request); }, "deepcache", "concept");
}

TEST(AutoMask, OfASourceThatIsTheTargetIsEmptyAndSaysSo) {
  AutoMaskRequest request;
  request.source = request.target = kPrompt;
  request.init_image = picture();
  SeededNoise noise(8, RngChoice::kCpu, test::device());
  expect_error<UsageError>([&] { auto_mask(model(), request, noise); }, "auto mask",
                           "nothing to change");
}

TEST(AutoMask, WhatDoesNotFitIsRefused) {
  AutoMaskRequest request;
  request.target = kPrompt;
  request.init_image = picture();
  request.threshold = 1;
  SeededNoise noise(8, RngChoice::kCpu, test::device());
  expect_error<UsageError>([&] { auto_mask(model(), request, noise); }, "threshold 1");
  request.threshold = 0.5;
  request.prompt_syntax = PromptSyntax::kAuto;
  request.source = "a cat AND a dog";
  expect_error<UsageError>([&] { auto_mask(model(), request, noise); }, "AND");
  request.noises = 0;
  expect_error<UsageError>([&] { auto_mask(model(), request, noise); }, "0 noises");
}

TEST(GradedMask, NeedsAMaskAndAModelThatIsNotShownOne) {
  auto request = over_picture();
  request.graded_mask = true;
  expect_error<UsageError>([&] { drawn(request); }, "needs a mask");
  request.mask = at::ones({1, 1, 8, 8}) * 0.5;
  expect_error<UsageError>([&] { drawn(request, TinyFamily::kV1Inpainting); }, "inpainting");
}

TEST(MaskedSwap, APixelOfAGradedMaskTakesPartInSoManyOfTheLastSteps) {
  MaskedSwap mask(columns({0, 0.2, 0.25, 0.5, 0.74, 0.75, 0.99, 1}), /*graded=*/true);
  const std::vector<RowGroup> rows = {
      {.branch = RowGroup::Branch::kTarget, .begin = 0, .count = 1},
      {.branch = RowGroup::Branch::kSource, .begin = 1, .count = 1}};
  // Of four steps, in so many pixels of each strength are the target's when they end.
  const std::vector<std::vector<bool>> free = {
      {false, false, false, false, false, true, true, true},
      {false, false, false, true, true, true, true, true},
      {false, false, true, true, true, true, true, true},
      {false, true, true, true, true, true, true, true}};
  for (int64_t step = 0; step < 4; ++step) {
    const auto x = mask.edit(at::cat({at::ones({1, 4, 8, 8}), at::zeros({1, 4, 8, 8})}),
                             {step, 4, 0, 0}, rows);
    for (int64_t column = 0; column < 8; ++column) {
      const double expected =
          free[static_cast<std::size_t>(step)][static_cast<std::size_t>(column)] ? 1 : 0;
      EXPECT_TRUE(x[0].select(2, column).eq(expected).all().item<bool>()) << step << column;
    }
    EXPECT_TRUE(x[1].eq(0).all().item<bool>());
  }
}

TEST(MaskedSwap, WhatDoesNotFitIsRefused) {
  expect_error<UsageError>([] { MaskedSwap mask(at::ones({1, 1, 8, 8}) * 2); }, "outside [0, 1]");
  auto request = request_of(kSecond);
  MaskedSwap mask(at::ones({1, 1, 4, 8}));
  request.latent_edit = &mask;
  expect_error<UsageError>([&] { drawn(request); }, "source");
  request.source = {kPrompt};
  request.strength = 1.0;
  expect_error<UsageError>([&] { drawn(request); }, "[1, 1, 4, 8]");
}

}  // namespace
}  // namespace sd
