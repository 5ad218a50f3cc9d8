#include <gtest/gtest.h>

#include "cli/options/control_net_options.h"
#include "cli/options/option_table.h"
#include "cli/record/repeat_args.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

using test::expect_error;

ControlInput parsed(const std::string& text) { return parse_control("--control", text); }

TEST(ControlOption, NetAndPictureAreEnough) {
  const auto input = parsed("nets/canny.safetensors:edges.png");
  EXPECT_EQ(input.net, "nets/canny.safetensors");
  EXPECT_EQ(input.picture, "edges.png");
  EXPECT_EQ(input.weight, 1);
  EXPECT_EQ(input.start, 0);
  EXPECT_EQ(input.end, 1);
}

TEST(ControlOption, NumbersStandAtTheEnd) {
  const auto input = parsed("a.ckpt:b.png:0.5:0.25:0.75");
  EXPECT_EQ(input.picture, "b.png");
  EXPECT_EQ(input.weight, 0.5);
  EXPECT_EQ(input.start, 0.25);
  EXPECT_EQ(input.end, 0.75);
  EXPECT_EQ(parsed("a.ckpt:b.png:-1").weight, -1);
}

TEST(ControlOption, APictureMayHaveColonsAndBeANumber) {
  EXPECT_EQ(parsed("a.ckpt:at 12:30.png:0.5").picture, "at 12:30.png");
  EXPECT_EQ(parsed("a.ckpt:7").picture, "7");
}

TEST(ControlOption, WhatIsWrongIsNamed) {
  expect_error<UsageError>([] { parsed("a.ckpt"); }, "names no net and picture");
  expect_error<UsageError>([] { parsed(":b.png"); }, "names no net and picture");
  expect_error<UsageError>([] { parsed("a.ckpt:"); }, "names no picture");
  expect_error<UsageError>([] { parsed("a.ckpt:b.png:nan"); }, "'nan' is not a number");
  expect_error<UsageError>([] { parsed("a.ckpt:b.png:1:0.5"); }, "without an end");
  expect_error<UsageError>([] { parsed("a.ckpt:b.png:1:0.5:0.5"); }, "are none");
  expect_error<UsageError>([] { parsed("a.ckpt:b.png:1:0:2"); }, "from 0 to 1");
}

TEST(ControlOption, APreprocessorTakesItsNumbers) {
  const auto canny = parse_control_preprocess("--control-preprocess", "canny:50:120");
  EXPECT_EQ(canny.preprocessor, Preprocessor::kCanny);
  EXPECT_EQ(canny.settings.low, 50);
  EXPECT_EQ(canny.settings.high, 120);
  EXPECT_EQ(parse_control_preprocess("--x", "blur:2.5").settings.sigma, 2.5);
  expect_error<UsageError>([] { parse_control_preprocess("--x", "invert:3"); }, "takes 0");
  expect_error<UsageError>([] { parse_control_preprocess("--x", "cany"); },
                           "Did you mean 'canny'?");
}

TEST(ControlOption, ASettingIsOneForAllNetsOrOneForEach) {
  ControlNetOptions nets;
  nets.inputs.resize(2);
  EXPECT_EQ(nets.mode_of(1), ControlMode::kBalanced);
  nets.modes = {ControlMode::kPrompt};
  EXPECT_EQ(nets.mode_of(1), ControlMode::kPrompt);
  nets.modes = {ControlMode::kPrompt, ControlMode::kControl};
  EXPECT_EQ(nets.mode_of(1), ControlMode::kControl);
}

/// Its words are sd-webui-controlnet's.
TEST(ControlOption, TheInfotextIsThatOfTheWebUi) {
  ControlNetOptions nets;
  nets.inputs = {parsed("nets/control_v11p_sd15_canny.safetensors:p.png")};
  nets.inputs[0].hash = "d14c016b";
  EXPECT_EQ(control_infotext(nets, 0),
            "preprocessor: none, model: control_v11p_sd15_canny [d14c016b], weight: 1, "
            "starting/ending: (0, 1), resize mode: Crop and Resize, pixel perfect: False, control "
            "mode: Balanced");
}

TEST(ControlOption, BothFilesOfEachAreKnownToRecords) {
  const GivenCommand command{"txt2img",
                             {{"control", "a.ckpt:b.png:0.5"}, {"control", "c.ckpt:d.png"}}};
  const auto files = named_files(command);
  ASSERT_EQ(files.size(), 4U);
  EXPECT_EQ(files[0].path, "a.ckpt");
  EXPECT_FALSE(files[0].hashed);
  EXPECT_EQ(files[1].path, "b.png");
  EXPECT_TRUE(files[1].hashed);
  EXPECT_EQ(files[1].key, "control");
  EXPECT_EQ(files[3].key, "control 2");
}

}  // namespace
}  // namespace sd::cli
