#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/sd_home.h"

namespace sd {
namespace {

using test::expect_error;
using test::SdHome;

/// A width that is no multiple of 64 is refused by its number, which tells where it came from
/// without a picture being drawn.
const std::string kRefused = ": width must be a multiple of 64";

TEST(Settings, FileThenEnvironmentThenFlag) {
  SdHome sd;
  sd.configure("W = 100\n");
  expect_error(sd({"txt2img"}), 2, {"--W 100" + kRefused, "--W comes from " + sd.line(1) + " W"});
  sd.set("SD_W", "200");
  expect_error(sd({"txt2img"}), 2, {"--W 200" + kRefused, "--W comes from SD_W"});
  const auto by_flag = sd({"txt2img", "--W", "300"});
  expect_error(by_flag, 2, {"--W 300" + kRefused});
  EXPECT_EQ(by_flag.err.find("comes from"), std::string::npos) << by_flag.err;
}

TEST(Settings, ATableIsForOneCommandAndWinsOverTheTop) {
  SdHome sd;
  sd.configure("W = 100\n[swap]\nW = 200\n");
  expect_error(sd({"txt2img"}), 2, {"--W 100" + kRefused});
  expect_error(sd({"swap", "--sprompt", "a", "--prompt", "b"}), 2, {"--W 200" + kRefused});
}

TEST(Settings, NoConfigLeavesTheFileOutAndKeepsTheEnvironment) {
  SdHome sd;
  sd.configure("W = 100\nthis is no TOML\n");
  sd.set("SD_H", "300");
  expect_error(sd({"txt2img", "--no-config"}), 2, {"--H 300"});
}

TEST(Settings, AnUnknownKeyIsNamedWithItsLine) {
  SdHome sd;
  sd.configure("# mine\nseed = 7\nstepz = 20\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(3) + " unknown key 'stepz'", "Did you mean 'steps'?"});
}

TEST(Settings, AKeyOfAnotherCommandSaysWhereItBelongs) {
  SdHome sd;
  sd.configure("[txt2img]\nstrength = 0.5\n");
  expect_error(sd({"swap"}), 2,
               {sd.line(2) + " unknown key 'strength' in [txt2img]", "[img2img] or [swap]"});
}

TEST(Settings, AKeyThatSomeDrawingCommandsHaveMayStandAtTheTop) {
  SdHome sd;
  sd.configure("strength = 0.5\nW = 100\n");
  expect_error(sd({"txt2img"}), 2, {"--W 100"});
}

TEST(Settings, AnUnknownTable) {
  SdHome sd;
  sd.configure("[txt2imgs]\nW = 64\n");
  expect_error(sd({"txt2img"}), 2,
               {sd.line(2) + " unknown table [txt2imgs]", "Did you mean 'txt2img'?"});
  sd.configure("[nothing]\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(1) + " unknown table [nothing]"});
}

TEST(Settings, AWrongType) {
  SdHome sd;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"steps = \"20\"", "'steps' must be a whole number, this is a text in quotes"},
      {"steps = 20.5", "'steps' must be a whole number, this is a number"},
      {"scale = true", "'scale' must be a number, this is true or false"},
      {"plms = 1", "'plms' must be true or false, this is a whole number"},
      {"prompt = 5", "'prompt' must be a text in quotes, this is a whole number"},
      {"ckpt = [\"a\", \"b\"]", "'ckpt' must be a text in quotes, this is a list of texts"},
      {"reweight = [1, 2]", "'reweight' must be a text in quotes or a list of texts"},
      {"seed = 2020-01-01", "'seed' must be a whole number, this is something else"}};
  for (const auto& [line, message] : cases) {
    sd.configure(line + "\n");
    expect_error(sd({"txt2img"}), 2, {sd.line(1) + " " + message});
  }
}

TEST(Settings, AValueOutOfItsRangeIsBlamedOnItsSource) {
  SdHome sd;
  sd.configure("steps = 5000\n");
  expect_error(sd({"txt2img"}), 2,
               {sd.line(1) + " steps: '5000' is not a whole number from 1 to 1000"});
  sd.set("SD_STEPS", "many");
  expect_error(sd({"txt2img"}), 2, {"SD_STEPS: 'many' is not a whole number"});
  sd.set("SD_STEPS", "20");
  sd.set("SD_SAMPLER", "eulr_a");
  expect_error(sd({"txt2img"}), 2, {"SD_SAMPLER: 'eulr_a' is none of", "Did you mean 'euler_a'?"});
}

TEST(Settings, FlagsAreTrueOrFalse) {
  SdHome sd;
  sd.set("SD_PLMS", "perhaps");
  expect_error(sd({"txt2img"}), 2, {"SD_PLMS: 'perhaps' is neither true nor false"});
  sd.set("SD_PLMS", "off");
  sd.set("SD_LAION400M", "Yes");
  expect_error(sd({"txt2img"}), 5, {"--laion400m comes from SD_LAION400M"});
  expect_error(sd({"txt2img", "--laion400m=false", "--W", "100"}), 2, {"--W 100"});
}

TEST(Settings, AnEmptyVariableIsNoSetting) {
  SdHome sd;
  sd.set("SD_STEPS", "");
  expect_error(sd({"txt2img", "--W", "100"}), 2, {"--W 100"});
}

TEST(Settings, AFileThatIsNoToml) {
  SdHome sd;
  sd.configure("seed = 7\nsteps 20\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(2)});
  sd.configure("prompt = \"\xff\xfe\"\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(1)});
  sd.configure(std::string(2 << 20, '#'));
  expect_error(sd({"txt2img"}), 2, {"larger than"});
}

TEST(Settings, OneOptionTwiceInATable) {
  SdHome sd;
  sd.configure("steps = 20\nddim-steps = 30\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(2) + " 'ddim-steps' sets --ddim_steps, which line 1"});
}

TEST(Settings, AFileThatCannotBeRead) {
  SdHome sd;
  std::filesystem::create_directory(sd.path("config/sd/config.toml"));
  expect_error(sd({"txt2img"}), 5, {"config.toml is not a file"});
}

TEST(Settings, AChoiceHigherUpSilencesItsRivals) {
  SdHome sd;
  // What contradicts is refused before this file is looked for.
  const std::vector<std::string> absent = {"txt2img", "--init-latents", "absent.npy"};
  const auto with = [&](const std::vector<std::string>& more) {
    auto arguments = absent;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return sd(arguments);
  };
  sd.configure("plms = true\nprecision = \"full\"\n");
  expect_error(with({"--sampler", "euler", "--dtype", "bf16"}), 5, {"absent.npy does not exist"});
  sd.configure("scheduler = \"karras\"\n");
  expect_error(with({"--plms"}), 5, {"absent.npy does not exist"});
  expect_error(with({}), 2, {"--scheduler karras", "--scheduler comes from " + sd.line(1)});
}

TEST(Settings, HelpNeedsNone) {
  SdHome sd;
  sd.configure("stepz = 20\n");
  EXPECT_EQ(sd({"txt2img", "--help"}).code, 0);
  EXPECT_EQ(sd({"--version"}).code, 0);
}

TEST(Settings, HoldForOtherCommandsToo) {
  SdHome sd;
  sd.configure("[info]\njson = true\n");
  EXPECT_TRUE(sd({"info", SD_TEST_DATA "/tiny-v1.ckpt"}).out.starts_with("{\"kind\""));
  EXPECT_FALSE(sd({"info", "--no-config", SD_TEST_DATA "/tiny-v1.ckpt"}).out.starts_with("{"));
}

TEST(Settings, OfDrawingDoNotChangeOtherCommands) {
  SdHome sd;
  sd.configure("json = true\ndtype = \"bf16\"\n");
  sd.set("SD_JSON", "1");
  sd.set("SD_DTYPE", "auto");  // no choice of sd convert
  EXPECT_FALSE(sd({"info", SD_TEST_DATA "/tiny-v1.ckpt"}).out.starts_with("{"));
  expect_error(sd({"convert", "absent.ckpt", "out.safetensors"}), 5, {"absent.ckpt"});
}

}  // namespace
}  // namespace sd
