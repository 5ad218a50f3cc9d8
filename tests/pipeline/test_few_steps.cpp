// Few steps, other timesteps, zero terminal SNR and cut UNets against diffusers' pipeline
// (tests/data/families/few-steps.safetensors, by tests/tools/make_few_step_values.py).
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "pipeline/start.h"
#include "sd/core/error.h"
#include "sd/diffusion/sigmas.h"
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

Txt2ImgRequest request_of(SamplerKind sampler, int64_t steps) {
  Txt2ImgRequest request;
  request.prompts = {"a red circle above a blue square"};
  request.negative_prompt = "blurry";
  request.width = request.height = 64;
  request.sampler = sampler;
  request.steps = steps;
  request.start_latents = SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 8, 8});
  request.decode = false;
  return request;
}

Txt2ImgRequest spaced(SamplerKind sampler, int64_t steps, TimestepSpacing spacing) {
  auto request = request_of(sampler, steps);
  request.timesteps = spacing;
  return request;
}

torch::Tensor latents_of(TinyFamily family, const Txt2ImgRequest& request) {
  SeededNoise noise(7, RngChoice::kCpu, test::device());
  return txt2img(family_model(family), request, noise).latents[0];
}

void expect_drawn(const Txt2ImgRequest& request, const std::string& name,
                  TinyFamily family = TinyFamily::kV1Deep) {
  const Golden golden("families/few-steps.safetensors");
  EXPECT_LT(relative_difference(latents_of(family, request), golden[name]), kTolerance) << name;
}

TEST(FewSteps, TcdIsThatOfDiffusers) {
  auto request = request_of(SamplerKind::kTcd, 4);
  request.guidance_scale = 2;
  expect_drawn(request, "tcd");
  request.steps = 7;
  request.tcd_gamma = 1;
  expect_drawn(request, "tcd_all_noise");
  request.steps = 3;
  request.tcd_gamma = 0;
  request.guidance_scale = 1;
  expect_drawn(request, "tcd_no_noise");
}

TEST(FewSteps, LcmIsThatOfDiffusers) {
  auto request = request_of(SamplerKind::kLcm, 7);
  request.guidance_scale = 1;
  // diffusers begins with latents of unit variance, this program with σ·n.
  const double sigma = SigmaTable(noise_schedule({}, request)).sigma(999);
  *request.start_latents *= std::sqrt(1 + sigma * sigma) / sigma;
  expect_drawn(request, "lcm");
}

TEST(FewSteps, TurboModelsTakeTrailingTimesteps) {
  auto request = spaced(SamplerKind::kEulerAncestral, 4, TimestepSpacing::kTrailing);
  request.guidance_scale = 1;
  expect_drawn(request, "turbo");
  request.steps = 1;
  expect_drawn(request, "turbo_one_step");
}

TEST(FewSteps, HyperModelsTakeTrailingTimestepsOfDdim) {
  auto request = spaced(SamplerKind::kDdim, 8, TimestepSpacing::kTrailing);
  request.guidance_scale = 1;
  expect_drawn(request, "hyper");
}

TEST(FewSteps, EverySpacingIsThatOfDiffusersSchedulers) {
  for (const auto spacing :
       {TimestepSpacing::kTrailing, TimestepSpacing::kLeading, TimestepSpacing::kLinspace}) {
    for (const auto sampler :
         {SamplerKind::kDdim, SamplerKind::kEuler, SamplerKind::kDpmpp2m, SamplerKind::kUniPc}) {
      expect_drawn(spaced(sampler, 6, spacing),
                   std::string(info_of(sampler).name) + "_" + std::string(name_of(spacing)));
    }
  }
}

TEST(FewSteps, PlmsIsSpacedAsDiffusersDoes) {
  expect_drawn(spaced(SamplerKind::kPlms, 5, TimestepSpacing::kTrailing), "plms_trailing");
  expect_drawn(spaced(SamplerKind::kPlms, 5, TimestepSpacing::kLeading), "plms_leading");
}

TEST(FewSteps, AScheduleThatEndsInPureNoiseIsThatOfDiffusers) {
  for (const auto sampler : {SamplerKind::kDdim, SamplerKind::kEuler, SamplerKind::kDpmpp2m}) {
    auto request = request_of(sampler, 5);
    request.zero_terminal_snr = true;  // trailing by itself
    const std::string name(info_of(sampler).name);
    expect_drawn(request, "zero_" + name, TinyFamily::kV1Velocity);
    request.guidance_rescale = 0.7;
    expect_drawn(request, "zero_rescaled_" + name, TinyFamily::kV1Velocity);
  }
}

TEST(FewSteps, EverySamplerDrawsFromPureNoiseOrSaysThatItCannot) {
  for (const auto& info : all_samplers()) {
    auto request = request_of(info.kind, 3);
    request.zero_terminal_snr = true;
    const auto draw_it = [&] { return latents_of(TinyFamily::kV1Velocity, request); };
    if (info.kind == SamplerKind::kHeun || info.kind == SamplerKind::kDpm2 ||
        info.kind == SamplerKind::kDpm2Ancestral) {
      expect_error<UsageError>([&] { draw_it(); }, "zero_terminal_snr", info.name);
    } else {
      EXPECT_LT(draw_it().abs().max().item<double>(), 50) << info.name;  // NaN fails
    }
  }
}

TEST(FewSteps, PureNoiseNeedsAModelThatPredictsVelocities) {
  auto request = request_of(SamplerKind::kDdim, 3);
  request.zero_terminal_snr = true;
  expect_error<UsageError>([&] { latents_of(TinyFamily::kV1Deep, request); }, "zero_terminal_snr",
                           "--prediction v");
}

TEST(FewSteps, AUNetWithoutItsMiddleIsThatOfDiffusers) {
  EXPECT_EQ(family_model(TinyFamily::kV1Cut).config.unet.middle, UNetMiddle::kNone);
  expect_drawn(request_of(SamplerKind::kDdim, 5), "cut", TinyFamily::kV1Cut);
}

TEST(FewSteps, AnEmbeddedGuidanceScaleIsThatOfDiffusers) {
  auto request = request_of(SamplerKind::kLcm, 4);
  const double sigma = SigmaTable(noise_schedule({}, request)).sigma(999);
  *request.start_latents *= std::sqrt(1 + sigma * sigma) / sigma;
  request.guidance_scale = 8.5;
  expect_drawn(request, "conditioned", TinyFamily::kV1Conditioned);
  request.guidance_scale = 2.5;
  expect_drawn(request, "conditioned_less", TinyFamily::kV1Conditioned);
}

TEST(FewSteps, EachSampleHasItsOwnEmbeddedScale) {
  DrawRequest request(request_of(SamplerKind::kDdim, 3));
  const std::string prompt = "a red circle above a blue square";
  request.targets = {{prompt, prompt}};
  request.start_latents = request.start_latents->repeat({2, 1, 1, 1});
  request.guidance_scales = {8.5, 2.5};
  SeededNoise noise(7, RngChoice::kCpu, test::device());
  const auto& model = family_model(TinyFamily::kV1Conditioned);
  const auto both = draw(model, request, noise).latents;
  for (int64_t row = 0; row < 2; ++row) {
    auto alone = request_of(SamplerKind::kDdim, 3);
    alone.guidance_scale = request.guidance_scales[static_cast<std::size_t>(row)];
    EXPECT_LT(relative_difference(both[row], latents_of(TinyFamily::kV1Conditioned, alone)), 1e-5);
  }
  EXPECT_GT(relative_difference(both[0], both[1]), 1e-3);
}

TEST(FewSteps, TimestepsAndASchedulerContradictEachOther) {
  auto request = spaced(SamplerKind::kEuler, 3, TimestepSpacing::kTrailing);
  request.scheduler = SchedulerKind::kKarras;
  expect_error<UsageError>([&] { latents_of(TinyFamily::kV1Deep, request); }, "trailing", "karras");
}

TEST(FewSteps, DistilledTimestepsAreNotSpaced) {
  for (const auto sampler : {SamplerKind::kLcm, SamplerKind::kTcd}) {
    const auto request = spaced(sampler, 3, TimestepSpacing::kTrailing);
    expect_error<UsageError>([&] { latents_of(TinyFamily::kV1Deep, request); },
                             info_of(sampler).name, "timesteps");
  }
}

TEST(FewSteps, MoreStepsThanASpacingHasAreRefused) {
  const auto request = spaced(SamplerKind::kDpmpp2m, 1000, TimestepSpacing::kLeading);
  expect_error<UsageError>([&] { latents_of(TinyFamily::kV1Deep, request); }, "1000 steps",
                           "leading");
}

}  // namespace
}  // namespace sd
