#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "cli/record/repeat_args.h"
#include "cli/shell/shell_words.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using Words = std::vector<std::string>;

/// What bash makes of a line: its words.
Words read_by_bash(const std::string& line) {
  const test::TempFolder folder;
  test::write_text(folder / "script", "printf '%s\\0' " + line);
  const auto command = "bash " + (folder / "script").string();
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string out;
  std::array<char, 4096> buffer{};
  while (const auto count = fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    out.append(buffer.data(), count);
  }
  Words words;
  for (std::size_t at = 0; at < out.size();) {
    const auto end = out.find('\0', at);
    words.push_back(out.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

TEST(ShellLine, IsReadBackByTheShell) {
  const Words words = {"sd",
                       "txt2img",
                       "--prompt",
                       "a \"red\" cat's $HOME `id` \\ !",
                       "",
                       "--scale=-1",
                       "=x",
                       "two\nlines\tand tabs",
                       "ein Süßes",
                       "\x1b[31mred\x1b[0m",
                       "\xFF\xFE",
                       "~/x",
                       "*?[a]{b}",
                       "#no comment",
                       "a;b&c|d>e<f",
                       "'",
                       "\xE2\x80\xAEtfel",
                       "\x01"
                       "12"};
  EXPECT_EQ(read_by_bash(shell_line(words)), words);
}

TEST(ShellLine, LeavesPlainWordsAloneAndSteersNoTerminal) {
  EXPECT_EQ(shell_line({"sd", "--seed", "42", "--a=b", "a b"}), "sd --seed 42 --a=b 'a b'");
  const auto line = shell_line({"\x1b[2J\nx\x7F"});
  for (const char c : line) EXPECT_TRUE(c >= ' ' && c != 0x7F) << line;
}

RunRecord run_record() {
  RunRecord run;
  run.options.given = {"txt2img",
                       {{"prompt", "a cat"},
                        {"negative-prompt", ""},
                        {"scale", "-1"},
                        {"plms", std::nullopt},
                        {"seed", "-1"},
                        {"W", "100"},
                        {"threads", "0"},
                        {"precision", "full"},
                        {"outdir", "/somewhere"},
                        {"only", "3"},
                        {"is_get_attn", std::nullopt},
                        {"attn-norm", "fork"},
                        {"no-config", std::nullopt},
                        {"ckpt", "~tilde.ckpt"}}};
  run.options.seed = 99;
  run.device = "cpu";
  run.dtype = "bf16";
  run.threads = 2;
  return run;
}

TEST(RepeatArgs, HoldWhatDecidesAboutThePictureAndNothingElse) {
  const Words expected = {"txt2img",
                          "--prompt",
                          "a cat",
                          "--negative-prompt",
                          "",
                          "--scale=-1",
                          "--plms",
                          "--ckpt",
                          "~~tilde.ckpt",
                          "--W",
                          "512",
                          "--H",
                          "512",
                          "--seed",
                          "99",
                          "--device",
                          "cpu",
                          "--dtype",
                          "bf16",
                          "--threads",
                          "2"};
  EXPECT_EQ(repeat_args(run_record()).get<Words>(), expected);
}

TEST(RepeatArgs, NameAGpu) {
  auto run = run_record();
  run.device = "cuda";
  const auto words = repeat_args(run).get<Words>();
  const auto device = std::ranges::find(words, "--device");
  ASSERT_NE(device, words.end());
  EXPECT_EQ(*(device + 1), "cuda");
}

TEST(RepeatArgs, AreReadBackAndMadeAgain) {
  auto run = run_record();
  const auto command = command_of_words(repeat_args(run).get<Words>());
  ASSERT_TRUE(command);
  EXPECT_TRUE(command->has("negative_prompt"));
  EXPECT_EQ(command->options.back(), (GivenOption{"threads", "2"}));
  const auto before = repeat_args(run);
  run.options.given = *command;
  EXPECT_EQ(repeat_args(run), before);
}

TEST(RepeatArgs, TheHomeFolderIsNotNamed) {
  const std::string home = "/home/somebody";
  setenv("HOME", home.c_str(), 1);
  auto run = run_record();
  run.options.given.options = {{"ckpt", home + "/m.ckpt"}, {"prompt", "~ tilde"}, {"vae", "~/x"}};
  const auto args = repeat_args(run).get<Words>();
  EXPECT_EQ(Words(args.begin(), args.begin() + 7),
            (Words{"txt2img", "--ckpt", "~/m.ckpt", "--prompt", "~~ tilde", "--vae", "~~/x"}));
  setenv("HOME", "/home/other/", 1);
  const auto command = command_of_words(args);
  EXPECT_EQ(command->options[0].value, "/home/other/m.ckpt");
  EXPECT_EQ(command->options[1].value, "~ tilde");
  EXPECT_EQ(command->options[2].value, "~/x");
}

TEST(RepeatArgs, APictureDecidesTheSize) {
  auto run = run_record();
  run.options.input.init_img = "x.png";
  run.options.given.options = {{"init-img", "x.png"}, {"W", "128"}};
  const auto args = repeat_args(run).get<Words>();
  EXPECT_EQ(Words(args.begin(), args.begin() + 6),
            (Words{"txt2img", "--init-img", "x.png", "--W", "128", "--seed"}));
}

TEST(CommandOfWords, RefusesWhatItDidNotMake) {
  for (const Words& words :
       {Words{}, Words{"rm", "-rf"}, Words{"txt2img", "x"}, Words{"txt2img", "-q"},
        Words{"txt2img", "--"}, Words{"info", "--as-args"}}) {
    EXPECT_FALSE(command_of_words(words));
  }
}

TEST(CommandOfWords, ForeignPicturesChooseNoPlaceToWriteTo) {
  const auto command = command_of_words(
      {"txt2img", "--outdir", "/etc", "--save_latents", "/etc", "--save-attn-dir", "/etc",
       "--attn-dir", "/etc", "--preview", "/etc/passwd.png", "--name", "x", "--seed", "1"});
  ASSERT_TRUE(command);
  EXPECT_EQ(command->options, (std::vector<GivenOption>{{"seed", "1"}}));
}

TEST(InputHashes, AreOfFilesThatCanBeRead) {
  const test::TempFolder folder;
  test::write_text(folder / "a.txt", "abc");
  const auto hashes = hash_input_files({"txt2img",
                                        {{"from_file", (folder / "a.txt").string()},
                                         {"init_img", (folder / "none.png").string()},
                                         {"prompt", (folder / "a.txt").string()}}});
  // FIPS 180-2's SHA-256 of "abc".
  EXPECT_EQ(hashes, (std::map<std::string, std::string>{{"from-file", "ba7816bf8f"}}));
}

}  // namespace
}  // namespace sd::cli
