// Rows that look at other rows in self-attention, against the published formulas
// (tests/data/families/sharing.safetensors, by tests/tools/make_sharing_values.py), and what must
// hold whatever the model.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "sd/control/chain.h"
#include "sd/control/self_injection.h"
#include "sd/core/error.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/row_sharing.h"
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
constexpr int64_t kHeight = 64, kWidth = 128;
const std::string kSource = "a red circle above a blue square";
const std::string kTarget = "a red circle on a snowy mountain";

/// Samples of the prompts, from the reference's noise.
DrawRequest request_of(const std::vector<std::string>& prompts) {
  DrawRequest request;
  request.targets = {prompts};
  request.negative_prompt = "blurry";
  request.width = kWidth;
  request.height = kHeight;
  request.steps = 5;
  request.guidance_scale = 7.5;
  request.start_latents =
      SeededNoise(6, RngChoice::kCpu, torch::Device("cpu"))
          .randn({static_cast<int64_t>(prompts.size()), 4, kHeight / 8, kWidth / 8});
  request.decode = false;
  return request;
}

DrawRequest swap_of(const std::string& target = kTarget) {
  auto request = request_of({target});
  request.source = {kSource};
  return request;
}

DrawRequest with(DrawRequest request, RowSharing sharing) {
  request.sharing = std::make_shared<const RowSharing>(std::move(sharing));
  return request;
}

RowSharing settings(RowSharingSettings some) {
  RowSharing sharing;
  static_cast<RowSharingSettings&>(sharing) = some;
  return sharing;
}

RowSharing masactrl(StepShare steps = {0.4, 1}) {
  return settings({.masactrl = MasaCtrlSettings{.steps = steps}});
}

torch::Tensor drawn(const DrawRequest& request) {
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  return draw(family_model(TinyFamily::kV1Deep), request, noise).latents;
}

void expect_drawn(const DrawRequest& request, const std::string& name) {
  const Golden golden("families/sharing.safetensors");
  EXPECT_LT(relative_difference(drawn(request), golden[name]), kTolerance) << name;
}

/// Ramps that differ by channel, as the reference has them.
torch::Tensor picture() {
  const auto rows = at::arange(kHeight).view({kHeight, 1}), columns = at::arange(kWidth);
  std::vector<torch::Tensor> channels;
  for (int64_t c = 0; c < 3; ++c) channels.push_back((4 * columns + 2 * rows * c).remainder(256));
  return (at::stack(channels).to(at::kFloat) / 127.5 - 1).unsqueeze(0);
}

RowSharing reference(double fidelity, double weight, StepShare steps = {}) {
  auto sharing = settings({.reference = ReferenceSettings{fidelity, weight, steps}});
  sharing.picture = picture();
  return sharing;
}

TEST(RowSharing, MasaCtrlIsThatOfThePaper) {
  expect_drawn(swap_of(), "plain");
  expect_drawn(with(swap_of(), masactrl()), "masactrl");
}

/// With masks of the word "circle", seen at half of the latents' size.
struct Masked {
  explicit Masked(DrawRequest from) : request(std::move(from)) {
    masks = std::make_shared<WordMasks>(WordMaskOptions{{{3}}, {{3}}, 2});
    auto sharing = settings({.masactrl = MasaCtrlSettings{{0.2, 1}, 0.3}});
    sharing.masks = masks;
    request = with(request, std::move(sharing));
    request.controller = masks.get();
  }
  DrawRequest request;
  std::shared_ptr<WordMasks> masks;
};

TEST(RowSharing, MasaCtrlWithMasksIsThatOfItsAuthors) {
  expect_drawn(Masked(swap_of()).request, "masactrl_mask");
}

TEST(RowSharing, PlugAndPlayIsThatOfThePaper) {
  expect_drawn(with(swap_of(), settings({.pnp = PlugAndPlaySettings{}})), "pnp");
}

TEST(RowSharing, AReferenceIsLookedAtAsInTheWebUi) {
  auto two = with(request_of({kSource, kTarget}), reference(0.5, 1));
  two.seed = 11;
  expect_drawn(two, "reference");
  auto one = with(request_of({kTarget}), reference(1, 0.5));
  one.seed = 11;
  expect_drawn(one, "reference_some");
}

TEST(RowSharing, SamplesKeepTheirReferencesNoiseInAnyBatch) {
  auto two = with(request_of({kSource, kTarget}), reference(0.5, 1));
  two.seed = 11;
  auto second = two;
  second.targets = {{kTarget}};
  second.seeds = {12};
  second.start_latents = two.start_latents->narrow(0, 1, 1);
  EXPECT_LT(relative_difference(drawn(second)[0], drawn(two)[1]), 1e-5);
}

TEST(RowSharing, StyleAlignedIsThatOfThePaper) {
  expect_drawn(with(request_of({kSource, "a photo of a house", "a green circle"}),
                    settings({.style_aligned = StyleAlignedSettings{}})),
               "style");
}

TEST(RowSharing, AppearanceTransferIsThatOfThePaper) {
  const auto sharing = settings({.appearance = AppearanceSettings{}});
  expect_drawn(with(swap_of(), sharing), "appearance");
  auto alone = with(swap_of(), sharing);
  alone.guidance_scale = 1;
  expect_drawn(alone, "appearance_alone");
}

class EverySamplerShares : public ::testing::TestWithParam<SamplerKind> {
 protected:
  /// A small drawing: three steps of 64x64 pixels.
  static DrawRequest small(DrawRequest request) {
    request.sampler = GetParam();
    request.steps = 3;
    request.width = kHeight;
    request.start_latents = request.start_latents->narrow(3, 0, kHeight / 8);
    return request;
  }
};

TEST_P(EverySamplerShares, ASourceThatEqualsTheTargetGivesTheSourcesPicture) {
  const auto request = small(swap_of(kSource));
  const auto plain = drawn(request);
  for (const auto& sharing :
       {masactrl({0, 1}), settings({.pnp = PlugAndPlaySettings{.attention = 1, .features = 1}})}) {
    const auto both = drawn(with(request, sharing));
    EXPECT_TRUE(both[0].equal(both[1]));
    EXPECT_TRUE(both[1].equal(plain[1]));
  }
}

TEST_P(EverySamplerShares, TargetsDifferAndTheSourceStaysTheSame) {
  const auto request = small(swap_of());
  const auto plain = drawn(request);
  for (const auto& sharing : {masactrl({0, 1}), settings({.pnp = PlugAndPlaySettings{}})}) {
    const auto both = drawn(with(request, sharing));
    EXPECT_TRUE(both[1].equal(plain[1]));
    EXPECT_GT(relative_difference(both[0], plain[0]), 1e-3);
  }
}

TEST_P(EverySamplerShares, FromTheLastStepOnNothingChanges) {
  const auto request = small(swap_of());
  EXPECT_TRUE(drawn(with(request, masactrl({1, 1}))).equal(drawn(request)));
}

TEST_P(EverySamplerShares, ABatchOfOneIsItsOwnStyle) {
  const auto request = small(request_of({kSource}));
  const auto style = settings({.style_aligned = StyleAlignedSettings{}});
  EXPECT_TRUE(drawn(with(request, style)).equal(drawn(request)));
}

TEST_P(EverySamplerShares, TheFirstOfABatchIsAsWithoutTheOthers) {
  const auto request = small(request_of({kSource, kTarget}));
  const auto style = settings({.style_aligned = StyleAlignedSettings{}});
  const auto plain = drawn(request), aligned = drawn(with(request, style));
  EXPECT_TRUE(aligned[0].equal(plain[0]));
  EXPECT_GT(relative_difference(aligned[1], plain[1]), 1e-3);
}

TEST_P(EverySamplerShares, AReferenceInNoStepOrLayerIsNone) {
  auto request = small(request_of({kSource}));
  const auto plain = drawn(request);
  const auto square = [](RowSharing sharing) {
    sharing.picture = sharing.picture.narrow(3, 0, kHeight).contiguous();
    return sharing;
  };
  EXPECT_TRUE(drawn(with(request, square(reference(0.5, 0)))).equal(plain));
  EXPECT_TRUE(drawn(with(request, square(reference(0.5, 1, {1, 1})))).equal(plain));
  EXPECT_GT(relative_difference(drawn(with(request, square(reference(0.5, 1)))), plain), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(RowSharing, EverySamplerShares,
                         ::testing::ValuesIn(test::all_sampler_kinds()),
                         [](const auto& each) { return test::case_name(each.param); });

TEST(RowSharing, EachOfSeveralTargetsAndSamplesLooksAtItsSource) {
  auto request = request_of({kTarget, kSource});
  request.source = {kSource, kTarget};
  request.targets.push_back({"a green circle", kSource});
  const auto all = drawn(with(request, masactrl()));  // rows: target by target, then the source
  for (int64_t target = 0; target < 2; ++target) {
    for (int64_t sample = 0; sample < 2; ++sample) {
      auto alone = request_of(
          {request.targets[static_cast<std::size_t>(target)][static_cast<std::size_t>(sample)]});
      alone.source = {request.source[static_cast<std::size_t>(sample)]};
      alone.start_latents = request.start_latents->narrow(0, sample, 1);
      EXPECT_LT(relative_difference(all[2 * target + sample], drawn(with(alone, masactrl()))[0]),
                1e-5);
    }
  }
}

TEST(RowSharing, PromptsThatArePutTogetherLookPartByPart) {
  auto request = swap_of(kTarget + " AND a green circle");
  request.prompt_syntax = PromptSyntax::kA1111;
  auto equal = request;
  equal.source = equal.targets[0];
  const auto both = drawn(with(equal, masactrl({0, 1})));
  EXPECT_TRUE(both[0].equal(both[1]));
  EXPECT_GT(relative_difference(drawn(with(request, masactrl()))[0], drawn(request)[0]), 1e-3);
}

TEST(RowSharing, OutsideOfTheGuidanceIntervalConditionalRowsLookAtEachOther) {
  auto request = swap_of();
  request.guidance_interval = {0.2, 0.4};
  const auto found = drawn(with(request, masactrl({0.4, 1})));
  EXPECT_GT(relative_difference(found[0], drawn(request)[0]), 1e-3);
  EXPECT_TRUE(found[1].equal(drawn(request)[1]));
}

/// Prompt-to-Prompt's injection hands a target the source's probabilities: with the source's values
/// beside them, the layers that it holds in make of a target what they make of its source.
TEST(RowSharing, ControllersChangeTheProbabilitiesThatAreUsed) {
  SelfInjectionOptions all;
  all.steps = StepWindow::steps(0, 1);
  all.min_downsampling = 1;
  SelfInjection injection(all);
  auto request = with(swap_of(), masactrl({0, 1}));
  const auto looked = drawn(request);
  request.controller = &injection;
  const auto injected = drawn(request);
  EXPECT_GT(relative_difference(injected[0], looked[0]), 1e-3);
  EXPECT_LT(relative_difference(injected[1], looked[1]), 1e-5);
}

TEST(RowSharing, ExplicitProbabilitiesGiveWhatTheKernelsGive) {
  for (const auto& sharing : {masactrl(), settings({.appearance = AppearanceSettings{}}),
                              settings({.pnp = PlugAndPlaySettings{}})}) {
    auto request = with(swap_of(), sharing);
    const auto fused = drawn(request);
    test::Onlooker onlooker;
    request.controller = &onlooker;
    EXPECT_LT(relative_difference(drawn(request), fused), kTolerance);
    EXPECT_GT(onlooker.calls, 0);
  }
}

TEST(RowSharing, WithoutAMethodNothingChanges) {
  EXPECT_TRUE(drawn(with(swap_of(), {})).equal(drawn(swap_of())));
}

template <typename... Parts>
void expect_refused(const DrawRequest& request, const Parts&... parts) {
  expect_error<UsageError>([&] { drawn(request); }, parts...);
}

TEST(RowSharing, WhatDoesNotGoTogetherIsRefused) {
  auto both = masactrl();
  both.pnp = PlugAndPlaySettings{};
  expect_refused(with(swap_of(), both), "take one of them");
  auto cached = with(swap_of(), masactrl());
  cached.deepcache = 2;
  expect_refused(cached, "masactrl", "deepcache");
  auto merged = with(swap_of(), settings({.pnp = PlugAndPlaySettings{}}));
  merged.token_merging = 0.5;
  expect_refused(merged, "pnp", "token_merging");
  auto guided = with(request_of({kSource}), reference(0.5, 1));
  guided.added.sag_scale = 0.5;
  expect_refused(guided, "reference", "sag");
}

TEST(RowSharing, WhatIsMissingOrNoNumberIsNamed) {
  expect_refused(with(request_of({kTarget}), masactrl()), "masactrl needs a source");
  auto lost = reference(0.5, 1);
  lost.picture = torch::Tensor();
  expect_refused(with(request_of({kTarget}), lost), "the reference has shape [], expected");
  lost.picture = at::zeros({1, 3, 32, 32});
  expect_refused(with(request_of({kTarget}), lost), "[1,3,32,32]", "[1,3,64,128]");
  expect_refused(with(request_of({kTarget}), reference(1.5, 1)), "fidelity is 1.5");
  expect_refused(with(swap_of(), masactrl({0.7, 0.2})), "0.7:0.2");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_refused(with(swap_of(), settings({.pnp = PlugAndPlaySettings{.attention = nan}})), "nan");
  expect_refused(with(swap_of(), settings({.appearance = AppearanceSettings{.contrast = nan}})),
                 "finite");
}

TEST(RowSharing, MasksComeFromLayersThatThereAreAndFromOnePrompt) {
  Masked masked(swap_of());
  auto sharing = *masked.request.sharing;
  sharing.masks = std::make_shared<WordMasks>(WordMaskOptions{{{3}}, {{3}}, 8});
  expect_refused(with(masked.request, sharing), "no cross-attention at 1/8");
  masked.request.targets = {{kTarget + " AND a green circle"}};
  masked.request.prompt_syntax = PromptSyntax::kA1111;
  expect_refused(masked.request, "AND");
}

TEST(RowSharing, WordsOfMasksAreLookedForInEachPrompt) {
  const auto& tokenizer = *family_model(TinyFamily::kV1Deep).tokenizer;
  const auto masks = make_word_masks({"circle", "house"}, {{{kTarget}, kSource}}, tokenizer, 32);
  EXPECT_EQ(masks->downsampling(), 2);
  expect_error<UsageError>(
      [&] {
        make_word_masks({"circle"}, {{{"a house"}, kSource}}, tokenizer, 32);
      },
      "'a house' has none of the words circle");
}

}  // namespace
}  // namespace sd
