// Guides by gradients, against diffusers' modules and the papers' formulas
// (tests/data/families/gradients.safetensors, by tests/tools/make_gradient_values.py).
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <string>

#include "sd/control/reweight.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/models/unet_gradients.h"
#include "sd/pipeline/attend_and_excite.h"
#include "sd/pipeline/box_diff.h"
#include "sd/pipeline/box_guidance.h"
#include "sd/pipeline/row_sharing.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_guides.h"
#include "sd/text/guide_words.h"
#include "sd/text/prompt_reader.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"

namespace sd {
namespace {

using test::expect_error;
using test::family_model;
using test::Golden;
using test::relative_difference;
using test::TinyFamily;

constexpr double kTolerance = 1e-3;  // of the largest latent
const std::string kPrompt = "a red circle above a blue square";
const std::vector<int64_t> kCircle = {3}, kBlueSquare = {6, 7};

template <typename Request>
Request filled_in(Request request) {
  request.negative_prompt = "blurry";
  request.width = 192;
  request.height = 128;
  request.steps = 5;
  request.guidance_scale = 7.5;
  request.start_latents =
      SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 16, 24});
  request.decode = false;
  return request;
}

Txt2ImgRequest guided_by(std::vector<std::shared_ptr<LatentGuide>> guides) {
  auto request = filled_in(Txt2ImgRequest());
  request.prompts = {kPrompt};
  request.guides = std::move(guides);
  return request;
}

/// For what holds at any size.
Txt2ImgRequest smaller(Txt2ImgRequest request) {
  request.width = request.height = 64;
  request.start_latents = SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 8, 8});
  return request;
}

torch::Tensor drawn(const Txt2ImgRequest& request, TinyFamily family = TinyFamily::kV1Deep) {
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  return txt2img(family_model(family), request, noise).latents[0];
}

AttendAndExciteOptions excite_options(double scale = 400, int64_t rounds = 3) {
  AttendAndExciteOptions options;
  options.words = {{kCircle, kBlueSquare}};
  options.downsampling = 2;
  options.scale = scale;
  options.rounds = rounds;
  return options;
}

std::shared_ptr<LatentGuide> excite(double scale = 400, int64_t rounds = 3) {
  return std::make_shared<AttendAndExcite>(excite_options(scale, rounds));
}

BoxGuidanceOptions box_options(double scale = 300) {
  BoxGuidanceOptions options;
  options.words = {{{kCircle, {{0.5, 0.25, 1, 0.85}}}, {kBlueSquare, {{0, 0, 0.5, 1}}}}};
  options.downsampling = 2;
  options.least_side = 4;
  options.scale = scale;
  options.until = 0.4;
  options.rounds = 3;
  return options;
}

std::shared_ptr<LatentGuide> boxes(double scale = 300) {
  return std::make_shared<BoxGuidance>(box_options(scale));
}

void expect_refused(Txt2ImgRequest request, std::string_view what, std::string_view other = "") {
  expect_error<UsageError>([&] { drawn(request); }, what, other);
}

TEST(Gradients, AttendAndExciteIsThatOfThePaper) {
  const Golden golden("families/gradients.safetensors");
  const auto found = drawn(guided_by({excite()}));
  EXPECT_LT(relative_difference(found, golden["excite"]), kTolerance);
  EXPECT_GT(relative_difference(found, golden["plain"]), 0.05);
}

TEST(Gradients, BoxGuidanceIsThatOfThePaper) {
  const Golden golden("families/gradients.safetensors");
  const auto found = drawn(guided_by({boxes()}));
  EXPECT_LT(relative_difference(found, golden["boxes"]), kTolerance);
  EXPECT_GT(relative_difference(found, golden["plain"]), 0.05);
}

TEST(Gradients, BoxDiffIsThatOfThePaperAndItsThresholdsMayBeOfTheOutside) {
  BoxDiffOptions options;
  options.words = box_options().words;
  options.downsampling = 2;
  options.scale = 100;
  options.rounds = 2;
  const Golden golden("families/gradients.safetensors");
  const auto found = drawn(guided_by({std::make_shared<BoxDiff>(options)}));
  EXPECT_LT(relative_difference(found, golden["box_diff"]), kTolerance);
  EXPECT_GT(relative_difference(found, golden["plain"]), 0.05);
  options.part = 0.8;  // as for small latents
  options.outside_part = 0.2;
  options.judges_outside = true;
  options.sharpness = 20;
  const auto small = drawn(guided_by({std::make_shared<BoxDiff>(options)}));
  EXPECT_LT(relative_difference(small, golden["box_diff_small"]), kTolerance);
  EXPECT_GT(relative_difference(small, found), 0.01);
}

torch::Tensor in_two_steps(std::vector<std::shared_ptr<LatentGuide>> guides) {
  auto request = smaller(guided_by(std::move(guides)));
  request.steps = 2;
  return drawn(request);
}

TEST(Gradients, ABoxOfAPhraseOnSmallLatentsIsBoxDiffAsDocumentedForThem) {
  auto& model = family_model(TinyFamily::kV1Deep);
  GuideWords words;
  words.boxes = {{"blue square", {0, 0, 0.5, 1}}};
  words.guide_res = 32;
  const PromptReader reader(model.tokenizer, PromptSyntax::kPlain, 2);
  const auto found =
      in_two_steps(make_word_guides(words, {{{kPrompt}, {}}}, reader, model.config, 8));
  BoxDiffOptions options;
  options.words = {{{kBlueSquare, {{0, 0, 0.5, 1}}}}};
  options.downsampling = 2;
  options.part = 0.8;
  options.outside_part = 0.2;
  options.judges_outside = true;
  options.sharpness = 20;
  options.thresholds = {{0, 0.5}, {0.04, 0.6}, {0.08, 0.7}, {0.12, 0.8}, {0.16, 0.8}};
  options.rounds = 10;
  EXPECT_TRUE(at::equal(found, in_two_steps({std::make_shared<BoxDiff>(options)})));
  options.sharpness = 100;
  EXPECT_FALSE(at::equal(found, in_two_steps({std::make_shared<BoxDiff>(options)})));
}

TEST(Gradients, SmallLatentsAreGuidedOnMapsThatShowEdges) {
  auto config = family_model(TinyFamily::kV1Deep).config;
  config.unet.attention_resolutions = {4, 2, 1};
  EXPECT_EQ(default_guide_res(config, 64), 16);  // as published
  EXPECT_EQ(default_guide_res(config, 48), 16);  // 12 pixels a side
  EXPECT_EQ(default_guide_res(config, 40), 32);
  EXPECT_EQ(default_guide_res(config, 16), 64);
  EXPECT_DOUBLE_EQ(default_box_part(32), 0.2);
  EXPECT_DOUBLE_EQ(default_box_part(31), 0.8);
}

TEST(Gradients, GuidesTellWhatTheyDid) {
  const auto words = excite(), box = boxes();
  drawn(guided_by({words, box}));
  EXPECT_EQ(words->counts().steps, 3);  // two that move, and a threshold before the third
  EXPECT_EQ(box->counts().steps, 2);
  EXPECT_EQ(box->counts().evaluations, 6);
  EXPECT_GT(box->counts().first_loss, 0);
}

/// The gradient of a sum over the output and a map, to x and to the context.
std::vector<torch::Tensor> gradients_of(bool checkpoints) {
  const auto& model = family_model(TinyFamily::kV1Deep);
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  const auto x = noise.randn({2, 4, 8, 16}).requires_grad_();
  const auto context = noise.randn({2, 77, 48}).requires_grad_();
  const auto t = torch::full({1}, 500.0, torch::TensorOptions().device(test::device()));
  const auto made = model.model->unet->forward_with_gradients(
      x, t, context, {},
      {.maps = [](const AttentionSite& site) { return site.downsampling == 2; },
       .output = true,
       .checkpoints = checkpoints});
  auto loss = made.output.square().sum();
  for (const auto& map : made.maps) loss = loss + (map.probs * 10).square().sum();
  return torch::autograd::grad({loss}, {x, context});
}

TEST(Gradients, CheckpointsChangeNone) {
  const auto kept = gradients_of(false), again = gradients_of(true);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_GT(kept[i].abs().max().item<double>(), 0);
    EXPECT_LT(relative_difference(again[i], kept[i]), 1e-6) << i;
  }
}

/// A drawing packs weights, and inference mode made some of them.
TEST(Gradients, PackedWeightsGiveTheSame) {
  const auto before = gradients_of(true);
  drawn(guided_by({}));
  const auto after = gradients_of(true);
  EXPECT_TRUE(after[0].equal(before[0]));
  EXPECT_TRUE(after[1].equal(before[1]));
}

/// Differences of the loss are what its gradient says.
TEST(Gradients, AGradientIsTheSlopeOfItsLoss) {
  const auto& model = family_model(TinyFamily::kV1Deep);
  SeededNoise noise(2, RngChoice::kCpu, test::device());
  const auto context = noise.randn({1, 77, 48}), way = noise.randn({1, 4, 8, 8});
  const auto t = torch::full({1}, 500.0, torch::TensorOptions().device(test::device()));
  const auto loss = [&](const torch::Tensor& x) {
    return model.model->unet->forward_with_gradients(x, t, context, {}, {.maps = {}})
        .output.square()
        .mean();
  };
  const auto x = noise.randn({1, 4, 8, 8}).requires_grad_();
  const auto slope = torch::autograd::grad({loss(x)}, {x}).front();
  constexpr double kStep = 1e-2;
  const torch::NoGradGuard off;
  const double up = loss(x + kStep * way).item<double>();
  const double down = loss(x - kStep * way).item<double>();
  const double said = (slope * way).sum().item<double>();
  EXPECT_NEAR((up - down) / (2 * kStep), said, 0.01 * std::abs(said));  // float32's differences
}

TEST(Gradients, AStepOfNoSizeChangesNoBitWithAnySampler) {
  for (const auto& info : all_samplers()) {
    auto plain = smaller(guided_by({})), guided = smaller(guided_by({excite(0, 1), boxes(0)}));
    plain.steps = guided.steps = 3;
    plain.sampler = guided.sampler = info.kind;
    EXPECT_TRUE(drawn(guided).equal(drawn(plain))) << info.name;
  }
}

TEST(Gradients, EverySamplerIsMoved) {
  for (const auto& info : all_samplers()) {
    auto plain = smaller(guided_by({})), guided = smaller(guided_by({excite(400, 1), boxes()}));
    plain.steps = guided.steps = 4;
    plain.sampler = guided.sampler = info.kind;
    const auto found = drawn(guided);
    EXPECT_TRUE(found.isfinite().all().item<bool>()) << info.name;
    EXPECT_GT(relative_difference(found, drawn(plain)), 1e-4) << info.name;
  }
}

/// Words that are absent from a row leave it alone.
TEST(Gradients, ARowDoesNotDependOnThoseBesideIt) {
  auto options = excite_options();
  options.words = {{kCircle}, {}};
  auto request = guided_by({std::make_shared<AttendAndExcite>(options)});
  request.prompts = {kPrompt, kPrompt};
  request.start_latents = request.start_latents->repeat({2, 1, 1, 1});
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  const auto both = txt2img(family_model(TinyFamily::kV1Deep), request, noise).latents;
  options.words = {{kCircle}};
  const auto alone = drawn(guided_by({std::make_shared<AttendAndExcite>(options)}));
  EXPECT_LT(relative_difference(both[0], alone), 1e-6);
  EXPECT_LT(relative_difference(both[1], drawn(guided_by({}))), 1e-6);
}

TEST(Gradients, ASourceIsNeverMoved) {
  const auto swap = [](std::vector<std::shared_ptr<LatentGuide>> guides) {
    auto request = filled_in(SwapRequest());
    request.targets = {{"a red square above a blue circle"}, {kPrompt}};
    request.source = {kPrompt};
    request.guides = std::move(guides);
    SeededNoise noise(0, RngChoice::kCpu, test::device());
    return draw_swap(family_model(TinyFamily::kV1Deep), request, noise);
  };
  const auto plain = swap({}), guided = swap({boxes()});
  EXPECT_TRUE(guided.source.latents.equal(plain.source.latents));
  for (std::size_t t = 0; t < 2; ++t) {
    EXPECT_GT(relative_difference(guided.targets[t].latents, plain.targets[t].latents), 0.01) << t;
  }
}

TEST(Gradients, TheyGoWithReweightingAndVelocities) {
  Reweight reweight({.weights = {{1, {2}}}});
  auto request = guided_by({boxes()});
  request.controller = &reweight;
  EXPECT_TRUE(drawn(request).isfinite().all().item<bool>());
  auto options = box_options();
  options.least_side = 1;
  EXPECT_GT(relative_difference(
                drawn(guided_by({std::make_shared<BoxGuidance>(options)}), TinyFamily::kV1Velocity),
                drawn(guided_by({}), TinyFamily::kV1Velocity)),
            1e-4);
}

TEST(Gradients, WhatGuidesDoNotGoWithIsNamed) {
  auto request = guided_by({excite()});
  request.deepcache = 2;
  expect_refused(request, "deepcache", "guides");
  request = guided_by({excite()});
  request.token_merging = 0.5;
  expect_refused(request, "token_merging", "guides");
  for (const auto& settings : {RowSharingSettings{.style_aligned = StyleAlignedSettings{}},
                               RowSharingSettings{.reference = ReferenceSettings{}},
                               RowSharingSettings{.masactrl = MasaCtrlSettings{}},
                               RowSharingSettings{.pnp = PlugAndPlaySettings{}},
                               RowSharingSettings{.appearance = AppearanceSettings{}}}) {
    auto swap = filled_in(SwapRequest());
    swap.targets = {{kPrompt}};
    swap.source = {kPrompt};
    swap.guides = {excite()};
    RowSharing sharing;
    static_cast<RowSharingSettings&>(sharing) = settings;
    sharing.picture = torch::zeros({1, 3, 128, 192});
    swap.sharing = std::make_shared<const RowSharing>(sharing);
    SeededNoise noise(0, RngChoice::kCpu, test::device());
    expect_error<UsageError>([&] { draw_swap(family_model(TinyFamily::kV1Deep), swap, noise); },
                             "sharing", "guides");
  }
  request = guided_by({excite()});
  request.prompts = {"a red circle AND a blue square"};
  request.prompt_syntax = PromptSyntax::kA1111;
  expect_refused(request, "guides", "AND");
}

TEST(Gradients, OptionsOutOfRangeAreRefused) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  expect_error<UsageError>([&] { excite(kNaN); }, "out of range");
  expect_error<UsageError>([&] { excite(-1); }, "out of range");
  expect_error<UsageError>([&] { boxes(kNaN); }, "out of range");
  auto outside = box_options();
  outside.words[0][0].boxes = {{0.5, 0, 1.2, 1}};
  expect_error<UsageError>([&] { BoxGuidance{outside}; }, "reaches out of the picture");
  outside.words[0][0].boxes = {{0.5, 0, 0.5, 1}};
  expect_error<UsageError>([&] { BoxGuidance{outside}; }, "is empty");
  BoxDiffOptions part;
  part.outside_part = kNaN;
  expect_error<UsageError>([&] { BoxDiff{part}; }, "out of range");
  auto nowhere = excite_options();
  nowhere.downsampling = 16;
  expect_refused(guided_by({std::make_shared<AttendAndExcite>(nowhere)}), "no cross-attention");
}

}  // namespace
}  // namespace sd
