// Inversion and what is drawn along it, against the papers' formulas on diffusers' modules
// (tests/data/families/inversion.safetensors, by tests/tools/make_inversion_values.py).
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "pipeline/encode.h"
#include "pipeline/inverted_picture.h"
#include "sd/control/local_blend.h"
#include "sd/core/error.h"
#include "sd/pipeline/row_sharing.h"
#include "support/expect_error.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::drawn;
using test::edit_along;
using test::expect_error;
using test::Golden;
using test::inversion_request;
using test::inverted;
using test::kSource;
using test::kTarget;
using test::relative_difference;
using enum InversionMethod;

constexpr double kTolerance = 1e-4;  // of the largest latent
const char* const kValues = "families/inversion.safetensors";

void expect_value(const torch::Tensor& found, const std::string& name) {
  const Golden golden(kValues);
  const auto expected = golden[name];
  ASSERT_EQ(found.numel(), expected.numel()) << name;
  EXPECT_LT(relative_difference(found, expected.view_as(found)), kTolerance) << name;
}

const Inversion& plain_inversion() {
  static const auto inversion = inverted(inversion_request(kDirect));
  return inversion;
}

Inversion edit_friendly_inversion() {
  auto request = inversion_request(kEditFriendly);
  request.depth = 0.6;
  return inverted(request);
}

/// The picture for DDCM, which draws with LCM.
Inversion consistent_picture(int64_t steps = 4) {
  auto request = inversion_request(kDdcm, steps);
  request.sampler = SamplerKind::kLcm;
  return consistent_inversion(test::deep_model(), request);
}

TEST(Inversion, ThePathIsThatOfDdimBackwards) {
  expect_value(plain_inversion().path, "path");
  auto along_euler = inversion_request(kDirect);
  along_euler.sampler = SamplerKind::kEuler;
  along_euler.timesteps = TimestepSpacing::kTrailing;
  expect_value(inverted(along_euler).path, "euler_path");
}

TEST(Inversion, EditsByDdimAndDirectInversionAreThoseOfThePapers) {
  const auto ddim = drawn(edit_along(plain_inversion(), kDdim)).latents;
  expect_value(ddim[0], "direct");  // targets are drawn alike
  expect_value(ddim[1], "ddim_source");
  const auto direct = drawn(edit_along(plain_inversion(), kDirect)).latents;
  expect_value(direct[0], "direct");
  EXPECT_TRUE(direct[1].equal(plain_inversion().picture_latents()));
  EXPECT_TRUE(direct[0].equal(ddim[0]));
}

TEST(Inversion, NegativePromptInversionAndProximalGuidanceAreThoseOfThePapers) {
  auto inversion = plain_inversion();
  inversion.proximal = 0;
  const auto plain = drawn(edit_along(inversion, kNegativePrompt)).latents;
  expect_value(plain[0], "npi");
  expect_value(plain[1], "npi_source");
  inversion.proximal = kDefaultProximal;
  const auto proximal = drawn(edit_along(inversion, kNegativePrompt)).latents;
  expect_value(proximal[0], "proximal");
  expect_value(proximal[1], "npi_source");
  inversion.proximal_norm = ProximalNorm::kL1;
  const auto soft = drawn(edit_along(inversion, kNegativePrompt)).latents;
  expect_value(soft[0], "proximal_l1");
  expect_value(soft[1], "npi_source");
}

TEST(Inversion, EachStepHasItsOwnUnconditionalContextAfterNullTextOptimisation) {
  auto inversion = plain_inversion();
  inversion.guidance = 7.5;
  const auto negative = encode_prompts(test::deep_model(), {"blurry"}).to(torch::kFloat).cpu();
  SeededNoise noise(10, RngChoice::kCpu, torch::Device("cpu"));
  std::vector<torch::Tensor> contexts;
  for (int64_t step = 0; step < 5; ++step)
    contexts.push_back(negative[0] + 0.3 * noise.like(negative)[0]);
  inversion.unconditional = torch::stack(contexts);
  const auto latents = drawn(edit_along(inversion, kNullText)).latents;
  expect_value(latents[0], "null_text");
  // Its source is guided at the scale that it was optimised for, whatever the target's.
  auto request = edit_along(inversion, kNullText);
  request.guidance_scale = 2;
  EXPECT_LT(relative_difference(drawn(request).latents[1], latents[1]), kTolerance);
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.cpu() - b.cpu()).pow(2).mean().item<double>();
}

TEST(Inversion, NullTextOptimisationLeadsTheGuidedSourceBackToThePicture) {
  const auto inversion = inverted(inversion_request(kNullText, 3));
  EXPECT_EQ(inversion.unconditional.size(0), 3);
  const auto kept = drawn(edit_along(inversion, kNullText)).latents[1];
  auto plain = edit_along(inversion, kDdim);
  plain.negative_prompt = "";
  const auto lost = drawn(plain).latents[1];
  const auto picture = inversion.picture_latents();
  EXPECT_LT(distance(kept, picture), 0.9 * distance(lost, picture));
}

TEST(Inversion, NullTextOptimisationGoesOnToTheSameBits) {
  std::vector<Inversion> partial;
  auto request = inversion_request(kNullText, 3);
  request.on_partial = [&](const Inversion& known) { partial.push_back(known); };
  const auto whole = inverted(request);
  ASSERT_EQ(partial.size(), 2u);
  expect_error<UsageError>([&] { drawn(edit_along(partial[0], kNullText)); },
                           "stopped after 1 of 3 steps", "--resume");
  request.resume = std::make_shared<const Inversion>(inversion_of(file_of(partial[0])));
  EXPECT_TRUE(inverted(request).unconditional.equal(whole.unconditional));
  request.prompt = kTarget;
  expect_error<UsageError>([&] { inverted(request); }, "another picture, prompt");
}

TEST(Inversion, EditFriendlyInversionIsThatOfThePaper) {
  const auto inversion = edit_friendly_inversion();
  expect_value(inversion.path, "edit_friendly_path");
  expect_value(inversion.noises, "edit_friendly_noises");
  const auto latents = drawn(edit_along(inversion, kEditFriendly)).latents;
  expect_value(latents[0], "edit_friendly");
  EXPECT_LT(relative_difference(latents[1], inversion.picture_latents()), kTolerance);
}

TEST(Inversion, ConsistentModelsEditWithoutInversion) {
  const auto inversion = consistent_picture();
  const auto latents = drawn(edit_along(inversion, kDdcm), 11).latents;
  expect_value(latents[0], "ddcm");
  EXPECT_LT(relative_difference(latents[1], inversion.picture_latents()), kTolerance);
}

/// Samplers that draw no random numbers.
std::vector<SamplerKind> deterministic() {
  std::vector<SamplerKind> kinds;
  for (const auto kind : test::all_sampler_kinds()) {
    if (info_of(kind).noise == StepNoiseKind::kNone) kinds.push_back(kind);
  }
  return kinds;
}

class DirectInversion : public testing::TestWithParam<SamplerKind> {};

TEST_P(DirectInversion, TheSourceIsTheStoredPathBitForBit) {
  auto request = inversion_request(kDirect);
  request.sampler = GetParam();
  const auto inversion = inverted(request);
  auto edit = edit_along(inversion, kDirect);
  const test::Recorded recorded(edit);
  const auto latents = drawn(edit).latents;
  ASSERT_EQ(recorded.latents.size(), 5u);
  const bool by_sigma = GetParam() != SamplerKind::kDdim && GetParam() != SamplerKind::kPlms;
  for (std::size_t i = 0; i < 5; ++i) {
    const double sigma = std::sqrt(1 / inversion.alphas[i + 1] - 1);
    const bool scales = by_sigma && i < 4;
    const auto& kept = inversion.path[static_cast<int64_t>(i) + 1];
    const auto expected = scales ? std::sqrt(1 + sigma * sigma) * kept : kept;
    if (scales) {
      EXPECT_LT(relative_difference(recorded.latents[i][1], expected), 1e-6) << i;
    } else {
      EXPECT_TRUE(recorded.latents[i][1].equal(expected)) << i;
    }
  }
  EXPECT_TRUE(latents[1].equal(inversion.picture_latents()));
  EXPECT_TRUE(latents.isfinite().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Samplers, DirectInversion, testing::ValuesIn(deterministic()),
                         [](const auto& tested) { return test::case_name(tested.param); });

TEST(Inversion, OtherSamplersAreRefusedByName) {
  for (const auto kind : test::all_sampler_kinds()) {
    const bool noisy = info_of(kind).noise != StepNoiseKind::kNone;
    for (const auto method : {kDdim, kNegativePrompt, kEditFriendly}) {
      if (kind == SamplerKind::kDdim) continue;
      auto request = inversion_request(method);
      request.sampler = kind;
      expect_error<UsageError>([&] { inverted(request); }, info_of(kind).name, "ddim");
    }
    if (!noisy) continue;
    auto request = inversion_request(kDirect);
    request.sampler = kind;
    expect_error<UsageError>([&] { inverted(request); }, info_of(kind).name, "random numbers");
  }
  auto request = edit_along(consistent_picture(), kDdcm);
  request.sampler = SamplerKind::kDdim;
  expect_error<UsageError>([&] { drawn(request); }, "ddim", "lcm");
}

TEST(Inversion, SamplesTargetsAndOtherShapesAreDrawnAlongOnePath) {
  auto request = inversion_request(kDirect);
  request.picture = test::ramps(128, 64);
  const auto inversion = inverted(request);
  EXPECT_EQ(inversion.path.sizes(), (at::IntArrayRef{6, 4, 8, 16}));
  auto edit = edit_along(inversion, kDirect);
  edit.targets = {{kTarget, kSource}, {"a blue circle", kTarget}};
  edit.source = {kSource, kSource};
  const auto latents = drawn(edit).latents;
  EXPECT_EQ(latents.sizes(), (at::IntArrayRef{6, 4, 8, 16}));
  EXPECT_LT(relative_difference(latents[0], latents[3]), kTolerance);
  EXPECT_TRUE(latents[4].equal(inversion.picture_latents()));
  EXPECT_TRUE(latents[5].equal(inversion.picture_latents()));
}

TEST(Inversion, LongPromptsOfTargetsLeaveTheSourceAsItWas) {
  auto edit = edit_along(plain_inversion(), kNegativePrompt);
  edit.prompt_syntax = PromptSyntax::kA1111;
  const auto short_source = drawn(edit).latents[1];
  edit.targets[0][0] = kTarget + " BREAK on a table";
  const auto latents = drawn(edit).latents;
  EXPECT_TRUE(latents.isfinite().all().item<bool>());
  EXPECT_LT(relative_difference(latents[1], short_source), 0.5);
}

TEST(Inversion, OutsideOfABlendsMaskADirectEditIsThePath) {
  LocalBlendOptions options;
  options.mask = torch::zeros({1, 1, 8, 8});
  options.start = 0;
  LocalBlend blend(options);
  auto edit = edit_along(plain_inversion(), kDirect);
  edit.latent_edit = &blend;
  EXPECT_TRUE(drawn(edit).latents[0].equal(plain_inversion().picture_latents()));
}

TEST(Inversion, ItCostsOneEvaluationAStepAndDrawingAlongItNoneMore) {
  SeededNoise noise(9, RngChoice::kCpu, test::device());
  for (const auto method : {kDirect, kEditFriendly}) {
    const auto result = invert(test::deep_model(), inversion_request(method), noise);
    EXPECT_EQ(result.timing.unet_calls, 5);
  }
  EXPECT_EQ(drawn(edit_along(plain_inversion(), kDirect)).timing.unet_calls, 5);
}

TEST(Inversion, RandomNumbersBehindADrawingAreThoseOfTheDrawing) {
  for (auto request : {edit_along(consistent_picture(), kDdcm),
                       edit_along(edit_friendly_inversion(), kEditFriendly)}) {
    SeededNoise whole(3, RngChoice::kCpu, test::device()),
        passed(3, RngChoice::kCpu, test::device());
    draw(test::deep_model(), request, whole);
    request.noise_only = true;
    draw(test::deep_model(), request, passed);
    EXPECT_TRUE(whole.randn({4}).equal(passed.randn({4})));
  }
}

TEST(Inversion, GuidanceThatAMethodIsNotDefinedForIsRefused) {
  for (const auto method : {kDirect, kDdim, kNegativePrompt}) {
    auto request = inversion_request(method);
    request.inversion_guidance = 7.5;
    expect_error<UsageError>([&] { inverted(request); }, name_of(method), "guidance 1, not 7.5");
  }
}

TEST(Inversion, WhatCannotBeInvertedIsRefused) {
  const auto refused = [](auto change, std::string_view what) {
    auto request = inversion_request(kDirect);
    change(request);
    expect_error<UsageError>([&] { inverted(request); }, what);
  };
  refused([](auto& request) { request.method = kDdcm; }, "it needs none");
  refused([](auto& request) { request.depth = 0; }, "leaves none");
  refused([](auto& request) { request.eta = 1; }, "eta");
  refused([](auto& request) { request.deepcache = 2; }, "deepcache");
  refused([](auto& request) { request.guides = {nullptr}; }, "guides");
  refused([](auto& request) { request.sharing = std::make_shared<const RowSharing>(); }, "guides");
  refused([](auto& request) { request.picture = test::ramps().slice(3, 0, 60); }, "60");
  refused([](auto& request) { request.picture = test::ramps()[0]; }, "[1,3,H,W]");
  refused(
      [](auto& request) {
        request.prompt_syntax = PromptSyntax::kA1111;
        request.prompt = "a cat AND a dog";
      },
      "AND");
  auto request = inversion_request(kDirect);
  SeededNoise noise(9, RngChoice::kCpu, test::device());
  expect_error<UsageError>(
      [&] { invert(test::family_model(test::TinyFamily::kV1Inpainting), request, noise); },
      "shown a picture");
}

TEST(Inversion, WhatDoesNotFitItIsRefused) {
  const auto refused = [](auto change, std::string_view what, InversionMethod method = kDirect) {
    auto request = edit_along(plain_inversion(), method);
    change(request);
    expect_error<UsageError>([&] { drawn(request); }, what);
  };
  refused([](auto& request) { request.source = {kTarget}; }, "inverted with the prompt");
  refused([](auto& request) { request.source.clear(); }, "source");
  refused([](auto& request) { request.steps = 7; }, "5 of 5 steps of ddim");
  refused([](auto& request) { request.width = 128; }, "latents [4, 8, 8]");
  refused([](auto& request) { request.init_image = test::ramps(); }, "input picture");
  refused([](auto& request) { request.strength = 0.5; }, "strength");
  refused([](auto& request) { request.eta = 0.5; }, "eta");
  refused([](auto& request) { request.clip_skip = 2; }, "means something else");
  refused([](auto& request) { request.negative_prompt = "ugly"; }, "negative prompt",
          kNegativePrompt);
  auto damaged = plain_inversion();
  damaged.path = damaged.path.clone();
  damaged.path[2][0][0][0] = std::nan("");
  expect_error<Error>([&] { drawn(edit_along(damaged, kDirect)); }, "path", "NaN");
}

TEST(Inversion, AFileGivesBackTheSameBits) {
  for (const auto& inversion : {plain_inversion(), edit_friendly_inversion()}) {
    const auto again = inversion_of(file_of(inversion));
    EXPECT_TRUE(again.path.equal(inversion.path));
    EXPECT_TRUE(again.context.equal(inversion.context));
    EXPECT_EQ(again.noises.defined(), inversion.noises.defined());
    EXPECT_EQ(again.alphas, inversion.alphas);
    EXPECT_EQ(again.prompt, inversion.prompt);
    const auto method = inversion.method;
    EXPECT_TRUE(drawn(edit_along(again, method))
                    .latents.equal(drawn(edit_along(inversion, method)).latents));
  }
}

/// Peak signal-to-noise ratio of two pictures in [-1, 1], in decibels.
double psnr(const torch::Tensor& a, const torch::Tensor& b) {
  const auto bounded = [](const torch::Tensor& x) { return x.clamp(-1, 1); };
  return 10 * std::log10(4 / (bounded(a) - bounded(b)).pow(2).mean().item<double>());
}

TEST(Inversion, DirectAndEditFriendlyInversionKeepThePictureAsTheAutoencoderDoes) {
  constexpr double kLost = 0.05;  // dB, stated in docs/editing.md
  const auto picture = test::ramps();
  const auto decoded = [](const torch::Tensor& latents) {
    return decode_to_tensor(test::deep_model(), latents.unsqueeze(0)).cpu();
  };
  const c10::InferenceMode inference;
  const double own = psnr(decoded(plain_inversion().picture_latents()), picture);
  for (const auto& request : {edit_along(plain_inversion(), kDirect),
                              edit_along(edit_friendly_inversion(), kEditFriendly)})
    EXPECT_GT(psnr(decoded(drawn(request).latents[1]), picture), own - kLost);
}

}  // namespace
}  // namespace sd
