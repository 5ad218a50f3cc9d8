#include <gtest/gtest.h>

#include "cli/plan/model_fit.h"
#include "sd/core/error.h"
#include "sd/text/control_words.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

using test::expect_error;

ModelConfig with_inputs(int64_t channels) {
  ModelConfig config;
  config.unet.in_channels = channels;
  return config;
}

DrawOptions with_picture(bool mask = false) {
  DrawOptions options;
  options.input.init_img = "start.png";
  if (mask) options.input.init_mask = "mask.png";
  return options;
}

/// The strength that a model with so many input channels is run at.
double strength(const DrawOptions& options, int64_t channels) {
  return *fitted_input(options, with_inputs(channels), "m.ckpt").strength;
}

TEST(FittedInput, StrengthDependsOnWhetherTheModelIsShownThePicture) {
  EXPECT_EQ(strength(with_picture(), 4), 0.75);
  EXPECT_EQ(strength(with_picture(true), 4), 0.75);
  EXPECT_EQ(strength(with_picture(), 9), 0.75);
  EXPECT_EQ(strength(with_picture(true), 9), 1.0);
  EXPECT_EQ(strength(with_picture(), 8), 1.0);
}

std::string no_step(double at_strength, int64_t steps) {
  PictureInput input;
  input.strength = at_strength;
  return no_step_notice(input, steps);
}

TEST(NoStepNotice, NamesTheFirstValuesThatDrawAStep) {
  const auto text = no_step(0.05, 10);
  EXPECT_NE(text.find("--strength 0.05 of 10 steps is int(0.05 * 10) = 0 steps"), std::string::npos)
      << text;
  EXPECT_NE(text.find("from --strength 0.1 on, or from --steps 20"), std::string::npos) << text;
  // 1/49 times 49 is a little less than 1 in floating point.
  EXPECT_NE(no_step(0.01, 49).find("from --strength 0.021 on"), std::string::npos);
  EXPECT_EQ(no_step(0.0001, 50).find("--steps"), std::string::npos);
}

TEST(NoStepNotice, IsEmptyWhereAStepIsDrawnOrNoneWasAskedFor) {
  EXPECT_EQ(no_step(0.1, 10), "");
  EXPECT_EQ(no_step(0, 10), "");
  EXPECT_EQ(no_step_notice({}, 1), "");  // no picture
}

TEST(FittedInput, AGivenStrengthWins) {
  auto options = with_picture(true);
  options.input.strength = 0.5;
  EXPECT_EQ(strength(options, 9), 0.5);
}

TEST(DefaultBlendRes, IsThePublishedOneForStableDiffusion) {
  const ModelConfig v1;
  EXPECT_EQ(default_blend_res(v1, 64), 16);
  EXPECT_EQ(default_blend_res(v1, 96), 16);
}

TEST(DefaultBlendRes, KeepsMapsOfSixteenWhereLatentsAreSmall) {
  const ModelConfig v1;
  EXPECT_EQ(default_blend_res(v1, 48), 32);
  EXPECT_EQ(default_blend_res(v1, 32), 32);
  EXPECT_EQ(default_blend_res(v1, 16), 64);
  EXPECT_EQ(default_blend_res(v1, 8), 64);  // nothing finer is there
}

TEST(DefaultBlendRes, NamesLayersThatTheModelHas) {
  ModelConfig config;
  config.unet.attention_resolutions = {4, 2};
  EXPECT_EQ(default_blend_res(config, 16), 32);
  config.unet.attention_resolutions = {8};
  EXPECT_EQ(default_blend_res(config, 64), 16);
}

TEST(FittedInput, TextAloneGetsNoStrength) {
  EXPECT_FALSE(fitted_input({}, with_inputs(9), "m.ckpt").strength.has_value());
}

TEST(FittedInput, ImgScaleIsOfInstructPix2PixAlone) {
  auto options = with_picture();
  EXPECT_EQ(fitted_input(options, with_inputs(8), "m.ckpt").img_scale, 1.5);
  options.input.img_scale = 2;
  EXPECT_EQ(fitted_input(options, with_inputs(8), "m.ckpt").img_scale, 2);
  expect_error<UsageError>([&] { fitted_input(options, with_inputs(4), "m.ckpt"); }, "--img-scale",
                           "m.ckpt", "InstructPix2Pix");
}

TEST(FittedInput, InstructPix2PixNeedsAPicture) {
  DrawOptions options;
  expect_error<UsageError>([&] { fitted_input(options, with_inputs(8), "m.ckpt"); }, "m.ckpt",
                           "InstructPix2Pix", "--init-img");
}

TEST(FittedInput, LatentsMustBeAsCAndFSay) {
  DrawOptions options;
  options.C = 8;
  expect_error<UsageError>([&] { fitted_input(options, with_inputs(9), "m.ckpt"); },
                           "m.ckpt has latents of 4 channels", "--C 8");
}

TEST(DefaultSide, MustBeOneThatCanBeDrawn) {
  EXPECT_EQ(checked_default_side(768, "m.ckpt"), 768);
  expect_error<UsageError>([] { checked_default_side(480, "m.ckpt"); }, "m.ckpt", "480", "--H");
  expect_error<UsageError>([] { checked_default_side(int64_t{64} * 1000 * 1000, "m.ckpt"); },
                           "m.ckpt", "--H");
}

TEST(PredictionNotice, SaysWhatIsAssumedAndHowToChangeIt) {
  const auto notice = prediction_notice(Prediction::kVelocity, "m.ckpt");
  EXPECT_NE(notice.find("m.ckpt"), std::string::npos);
  EXPECT_NE(notice.find("v is assumed"), std::string::npos);
  EXPECT_NE(notice.find("--prediction eps"), std::string::npos);
  EXPECT_EQ(notice.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace sd::cli
