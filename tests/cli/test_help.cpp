#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/sd_home.h"
#include "cli/shell/text_width.h"

namespace sd {
namespace {

using test::expect_error;
using test::run_sd;
using test::SdHome;

constexpr std::size_t kColumns = 80;
constexpr std::size_t kScreen = 40;
const std::vector<std::string> kDrawing = {"txt2img", "img2img", "swap", "attn"};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) lines.push_back(line);
  return lines;
}

/// The program's commands, as its help lists them.
std::vector<std::string> commands() {
  std::vector<std::string> names;
  bool listed = false;
  for (const auto& line : lines_of(run_sd({"--help"}).out)) {
    if (line == "Commands:" || line == "Set-up:") listed = true;
    if (line.empty()) listed = false;
    if (listed && line.starts_with("  ") && line[2] != ' ')
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return names;
}

void expect_fits(const std::string& text, const std::string& what) {
  for (const auto& line : lines_of(text))
    EXPECT_LE(cli::text_width(line), kColumns) << what << ": " << line;
}

/// The options that a help text lists, each by its first name, in order.
std::vector<std::string> options_in(const std::string& text) {
  std::vector<std::string> names;
  for (const auto& line : lines_of(text)) {
    if (line.starts_with("Other programs' names")) break;
    if (!line.starts_with("  -")) continue;
    const auto begin = line.find("--");
    if (begin == std::string::npos || begin > 8) continue;
    names.push_back(line.substr(begin, line.find_first_of(" ,", begin) - begin));
  }
  return names;
}

TEST(Help, KnowsTheCommands) {
  const auto names = commands();
  for (const char* name : {"txt2img", "swap", "doctor", "help", "version"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
}

TEST(Help, OfEveryCommandFitsTheWidthOfATerminal) {
  expect_fits(run_sd({"--help"}).out, "sd");
  for (const auto& command : commands()) {
    expect_fits(run_sd({command, "--help"}).out, command);
    expect_fits(run_sd({command, "--help-all"}).out, command);
  }
}

TEST(Help, OfEveryCommandFitsAScreen) {
  EXPECT_LE(lines_of(run_sd({"--help"}).out).size(), kScreen);
  for (const auto& command : commands()) {
    const auto text = run_sd({command, "--help"}).out;
    EXPECT_LE(lines_of(text).size(), kScreen) << text;
    EXPECT_NE(text.find("Usage: sd " + command), std::string::npos) << text;
    EXPECT_NE(text.find("Examples:\n  "), std::string::npos) << text;
  }
}

TEST(Help, OfADrawingCommandSaysWhereTheRestIs) {
  for (const auto& command : kDrawing) {
    const auto text = run_sd({command, "--help"}).out;
    EXPECT_NE(text.find("'sd " + command + " --help-all' lists all"), std::string::npos) << text;
    for (const char* option : {"--prompt", "--ckpt", "--seed", "--outdir"})
      EXPECT_NE(text.find(option), std::string::npos) << command << " " << option;
  }
}

TEST(Help, ListsACommandsOwnOptionsBeforeTheCommonOnes) {
  std::set<std::string> common;
  std::vector<std::vector<std::string>> all;
  for (const auto& command : kDrawing) {
    all.push_back(options_in(run_sd({command, "--help-all"}).out));
    const std::set<std::string> names(all.back().begin(), all.back().end());
    if (common.empty()) common = names;
    std::erase_if(common, [&](const auto& name) { return !names.contains(name); });
  }
  ASSERT_GT(common.size(), 50u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto first_common =
        std::ranges::find_if(all[i], [&](const auto& name) { return name == "--prompt"; });
    ASSERT_NE(first_common, all[i].end());
    for (auto name = first_common; name != all[i].end(); ++name)
      EXPECT_TRUE(common.contains(*name)) << kDrawing[i] << " " << *name;
  }
  EXPECT_EQ(all[1].front(), "--init-img");
}

TEST(Help, ShortHelpListsACommandsOwnOptionsFirst) {
  EXPECT_EQ(options_in(run_sd({"img2img", "--help"}).out).front(), "--init-img");
  EXPECT_EQ(options_in(run_sd({"swap", "--help"}).out).front(), "--sprompt");
}

TEST(Help, OfAllIsComplete) {
  const auto text = run_sd({"swap", "--help-all"}).out;
  for (const char* part : {"--blend-threshold", "--ddim_steps, --steps N=50", "--help-all",
                           "Other programs' names", "--num_inference_steps", "Exit codes:"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(Help, IsACommandToo) {
  EXPECT_EQ(run_sd({"help"}).out, run_sd({"--help"}).out);
  EXPECT_EQ(run_sd({"help", "swap"}).out, run_sd({"swap", "--help"}).out);
  EXPECT_EQ(run_sd({"help", "swap", "--all"}).out, run_sd({"swap", "--help-all"}).out);
  EXPECT_EQ(run_sd({"help", "swap"}).code, 0);
  expect_error(run_sd({"help", "nonsense"}), 2, {"'nonsense' is none of txt2img, img2img, swap"});
  expect_error(run_sd({"help", "swop"}), 2, {"Did you mean 'swap'?"});
}

TEST(Help, OfTheProgramAndAllCommands) {
  const auto finished = run_sd({"--help-all"});
  EXPECT_EQ(finished.code, 0);
  for (const auto& command : commands())
    EXPECT_NE(finished.out.find("Usage: sd " + command), std::string::npos) << command;
}

TEST(Version, IsSaidHoweverItIsAskedFor) {
  const auto version = run_sd({"--version"});
  EXPECT_EQ(version.code, 0);
  for (const char* word : {"version", "-v", "-V"}) {
    const auto finished = run_sd({word});
    EXPECT_EQ(finished.code, 0) << word;
    EXPECT_EQ(finished.out, version.out) << word;
  }
}

TEST(FirstWord, ThatIsNoCommandIsAnsweredWithOneThatFits) {
  SdHome sd;
  test::write_text(sd.path("picture.png"), "");
  expect_error(sd({"picture.png"}), 2, {"sd info picture.png"});
  expect_error(sd({"a red apple"}), 2, {"sd txt2img --prompt 'a red apple'"});
}

TEST(SwapPrompts, ASourceNeedsATarget) {
  expect_error(run_sd({"swap", "--sprompt", "a cat"}), 2, {"--sprompt", "--prompt TEXT"});
  expect_error(run_sd({"swap"}), 2, {"there is no prompt", "--sprompt", "--prompt"});
}

TEST(SwapPrompts, AWordOfNoPromptIsAnsweredWithTheirWords) {
  expect_error(run_sd({"swap", "--mode", "p2p", "--sprompt", "a cat", "--prompt", "a dog",
                       "--local-blend", "bird", "--ckpt", SD_TEST_DATA "/tiny-v1.ckpt"}),
               2,
               {"--local-blend: 'bird' is in no prompt", "--sprompt has the words: a, cat",
                "--prompt has the words: a, dog"});
  expect_error(run_sd({"swap", "--mode", "p2p", "--prompt", "a dog", "--local-blend", "bird"}), 2,
               {"--mode: p2p takes attention from a source", "--sprompt"});
}

TEST(SamplerWords, ASamplerWithItsScheduleContradictsAnother) {
  expect_error(run_sd({"txt2img", "--sampler", "DPM++ 2M Karras", "--scheduler", "exponential"}), 2,
               {"'DPM++ 2M Karras' names the schedule karras",
                "--sampler dpm++_2m --scheduler exponential"});
  expect_error(run_sd({"txt2img", "--scheduler", "euler_a"}), 2, {"--sampler euler_a"});
  expect_error(run_sd({"txt2img", "--sampler", "karras"}), 2, {"--scheduler karras"});
}

TEST(Synonyms, WorkInTheEnvironmentAndInTheFile) {
  SdHome sd;
  sd.configure("num_inference_steps = 0\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(1) + " num_inference_steps: '0'"});
  sd.configure("n = 3\n");
  expect_error(sd({"txt2img"}), 2, {sd.line(1) + " unknown key 'n'", "--n_iter"});
  sd.configure("");
  sd.set("SD_GUIDANCE_SCALE", "much");
  expect_error(sd({"txt2img"}), 2, {"SD_GUIDANCE_SCALE: 'much' is not a number"});
}

TEST(TypedSpellings, AreKeptWhereALaterCheckFails) {
  expect_error(run_sd({"txt2img", "--width", "100"}), 2, {"--width 100: width must be"});
  expect_error(run_sd({"txt2img", "--size", "100x512"}), 2, {"--size 100: width must be"});
  expect_error(run_sd({"txt2img", "--from_file", "absent.txt"}), 5, {"--from_file: "});
  expect_error(run_sd({"txt2img", "--model", "absent.ckpt"}), 5, {"--model: absent.ckpt"});
}

}  // namespace
}  // namespace sd
