#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/sd_home.h"

namespace sd {
namespace {

using test::expect_error;
using test::Finished;
using test::SdHome;
using Names = std::set<std::string>;

const std::array<std::string, 11> kCommands = {"txt2img", "img2img",    "swap",     "attn",
                                               "info",    "convert",    "samplers", "bench",
                                               "doctor",  "completion", "help"};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool is_here(const std::string& shell) { return std::filesystem::exists("/usr/bin/" + shell); }

Finished run_shell(const std::string& shell, const std::vector<std::string>& arguments,
                   const SdHome& home) {
  test::ProcessSetup setup;
  setup.binary =
      "/usr/bin/env";  // which gives the shell its own name, by which it knows what to be
  setup.arguments = arguments;
  setup.arguments.insert(setup.arguments.begin(), shell);
  setup.folder = home.path("");
  setup.environment = {
      {"SD_MODELS_DIR", home.path("models")},
      {"PATH", std::filesystem::path(SD_BINARY).parent_path().string() + ":/usr/bin:/bin"}};
  return run_program(setup);
}

Names lines_of(const std::string& text) {
  Names lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) lines.insert(line.substr(0, line.find('\t')));
  return lines;
}

/// What bash offers for the last of `words`.
Names in_bash(const SdHome& home, const std::vector<std::string>& words) {
  std::string script = "source <(sd completion bash)\nCOMP_WORDS=(";
  for (const auto& word : words) script += "'" + word + "' ";
  script += ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_sd\nprintf '%s\\n' \"${COMPREPLY[@]}\"";
  const auto finished = run_shell("bash", {"-c", script}, home);
  EXPECT_EQ(finished.err, "");
  auto offered = lines_of(finished.out);
  offered.erase("");
  return offered;
}

TEST(Completion, BashOffersCommandsOptionsAndWords) {
  SdHome home;
  EXPECT_EQ(in_bash(home, {"sd", "tx"}), Names{"txt2img"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--neg"}), Names{"--negative-prompt"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--negative_p"}), Names{"--negative_prompt"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--steps", "20", "--dtype", ""}),
            (Names{"auto", "f32", "bf16", "f16"}));
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--dtype", "=", "bf"}), Names{"bf16"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampler", "dpm2"}), (Names{"dpm2", "dpm2_a"}));
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--device", ""}), (Names{"auto", "cpu", "cuda"}));
  EXPECT_EQ(in_bash(home, {"sd", "completion", "f"}), Names{"fish"});
  EXPECT_TRUE(in_bash(home, {"sd", "txt2img", "--prompt", ""}).empty());
  EXPECT_TRUE(in_bash(home, {"sd", "swap", "--m"}).contains("--mode"));
  EXPECT_FALSE(in_bash(home, {"sd", "txt2img", "--m"}).contains("--mode"));
}

TEST(Completion, BashOffersWordsInAnyCase) {
  SdHome home;
  const Names dpm = {"dpm2",      "dpm2_a",       "dpm++_2s_a",  "dpm++_2m",
                     "dpm++_sde", "dpm++_2m_sde", "dpm++_3m_sde"};
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampler", "DPM"}), dpm);
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampler", "Euler"}), (Names{"euler", "euler_a"}));
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampler", "=", "DPM++_3"}), Names{"dpm++_3m_sde"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--CKP"}), Names{"--ckpt"});
}

TEST(Completion, BashReadsQuotesAndBlanksInWhatWasTyped) {
  SdHome home;
  const Names two = {"dpm++_2m", "dpm++_2m_sde"};
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampler", "\"DPM++ 2M"}), two);
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampler", "DPM++\\ 2M"}), two);
  home.add_model("my model.safetensors");
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--ckpt", "\"My"}), Names{"my model"});
}

TEST(Completion, BashKnowsValuesOfOtherProgramsNames) {
  SdHome home;
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--sampling-method", "heu"}), Names{"heun"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--num_inf"}), Names{"--num_inference_steps"});
  EXPECT_FALSE(in_bash(home, {"sd", "txt2img", "--"}).contains("--num_inference_steps"));
  EXPECT_EQ(in_bash(home, {"sd", "help", "sw"}), Names{"swap"});
}

/// The words that bash itself makes of `typed` and a tab, at a terminal: "<sd><txt2img>". The line
/// is printed instead of run.
std::string at_a_prompt(const SdHome& home, const std::string& typed) {
  test::write_text(home.path("rc"),
                   "PS1=\nbind 'set enable-bracketed-paste off'\nsource <(sd completion bash)\n");
  const std::string script =
      R"(printf '%s\t\001printf "<%%s>" DONE \005\nexit\n' "$1" | script -qec 'bash --rcfile rc -i' /dev/null)";
  const auto shown = run_shell("bash", {"-c", script, "bash", typed}, home).out;
  const auto begin = shown.rfind("<DONE>");
  if (begin == std::string::npos) return shown;
  const auto words = shown.substr(begin + 6);
  return words.substr(0, words.rfind('>') + 1);
}

TEST(Completion, BashInsertsWhatItOffers) {
  if (!is_here("script")) GTEST_SKIP() << "script is not installed";
  SdHome home;
  home.add_model("my model+.safetensors");
  const std::string three = "<sd><txt2img><--sampler><dpm++_3m_sde>";
  EXPECT_EQ(at_a_prompt(home, "sd txt2img --sampler DPM++_3"), three);
  EXPECT_EQ(at_a_prompt(home, "sd txt2img --sampler \"DPM++ 3"), three);
  EXPECT_EQ(at_a_prompt(home, "sd txt2img --sampler DPM++\\ 3"), three);
  EXPECT_EQ(at_a_prompt(home, "sd txt2img --ckpt My"), "<sd><txt2img><--ckpt><my model+>");
  EXPECT_EQ(at_a_prompt(home, "sd txt2img --ckpt=\"my"), "<sd><txt2img><--ckpt=my model+>");
}

TEST(Completion, BashOffersModelsFilesAndFoldersWithoutObeyingTheirNames) {
  SdHome home;
  home.add_model("dreamshaper.safetensors");
  home.add_model("dream $(touch victim).ckpt");
  std::filesystem::create_directory(home.path("dreams"));
  test::write_text(home.path("drums.txt"), "");
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--ckpt", "dr"}),
            (Names{"dreamshaper", "dream $(touch victim)", "dreams", "drums.txt"}));
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--outdir", "dr"}), Names{"dreams"});
  EXPECT_EQ(in_bash(home, {"sd", "txt2img", "--from-file", "dr"}), (Names{"dreams", "drums.txt"}));
  EXPECT_EQ(in_bash(home, {"sd", "info", "dru"}), Names{"drums.txt"});
  EXPECT_FALSE(std::filesystem::exists(home.path("victim")));
}

TEST(Completion, FishOffersTheSame) {
  if (!is_here("fish")) GTEST_SKIP() << "fish is not installed";
  SdHome home;
  home.add_model("dreamshaper.safetensors");
  std::filesystem::create_directory(home.path("dreams"));
  const auto offered = [&](const std::string& line) {
    const auto finished = run_shell(
        "fish", {"--no-config", "-c", "sd completion fish | source; complete -C '" + line + "'"},
        home);
    EXPECT_EQ(finished.err, "");
    return lines_of(finished.out);
  };
  EXPECT_EQ(offered("sd tx"), Names{"txt2img"});
  EXPECT_EQ(offered("sd txt2img --neg"), Names{"--negative-prompt"});
  EXPECT_EQ(offered("sd txt2img --sampler dpm2"), (Names{"dpm2", "dpm2_a"}));
  EXPECT_EQ(offered("sd txt2img --ckpt dr"), (Names{"dreamshaper", "dreams/"}));
  EXPECT_EQ(offered("sd txt2img --outdir dr"), Names{"dreams/"});
  EXPECT_TRUE(offered("sd txt2img --sampler DPM++").contains("dpm++_2m"));
  EXPECT_EQ(offered("sd completion z"), Names{"zsh"});
  EXPECT_EQ(offered("sd txt2img --prompt x"), Names{});
}

/// What zsh makes of `typed` and a tab. It completes only for a person, so it gets a terminal of
/// its own; the completed line is printed instead of run.
std::string in_zsh(const SdHome& home, const std::string& typed) {
  const std::string script =
      "zmodload zsh/zpty\n"
      "zpty z zsh -f -i\n"
      "zpty -w z 'PS1=; bindkey -e; autoload -Uz compinit; compinit -u -D; "
      "source <(sd completion zsh); print REA''DY'\n"
      "zpty -r -m z out '*READY*'\n"
      "zpty -w -n z $'" +
      typed +
      "\\t\\C-aprint -r -- DONE: \\C-e\\nexit\\n'\n"
      "while zpty -r z more; do print -r -- $more; done";
  std::string completed;
  std::istringstream lines(run_shell("zsh", {"-f", "-c", script}, home).out);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("DONE: ")) completed = line.substr(6, line.find_last_not_of("\r\n ") - 5);
  }
  return completed;
}

TEST(Completion, ZshOffersTheSame) {
  if (!is_here("zsh")) GTEST_SKIP() << "zsh is not installed";
  SdHome home;
  home.add_model("dreamshaper.safetensors");
  std::filesystem::create_directory(home.path("pictures"));
  EXPECT_EQ(in_zsh(home, "sd tx"), "sd txt2img");
  EXPECT_EQ(in_zsh(home, "sd txt2img --sampler plm"), "sd txt2img --sampler plms");
  EXPECT_EQ(in_zsh(home, "sd txt2img --sampler DPM++_3"), "sd txt2img --sampler dpm++_3m_sde");
  EXPECT_EQ(in_zsh(home, "sd txt2img --negat"), "sd txt2img --negative-prompt");
  EXPECT_EQ(in_zsh(home, "sd txt2img --ckpt dreams"), "sd txt2img --ckpt dreamshaper");
  EXPECT_EQ(in_zsh(home, "sd txt2img --outdir=pi"), "sd txt2img --outdir=pictures");
  EXPECT_EQ(in_zsh(home, "sd completion fi"), "sd completion fish");
}

/// The long options that a command's help shows.
Names options_of(const std::string& command) {
  Names names;
  const auto text = test::run_sd({command, "--help-all"}).out;
  std::istringstream help(text.substr(0, text.find("Other programs' names")));
  for (std::string word; help >> word;) {
    if (!word.starts_with("--") || word.size() < 3) continue;
    word.resize(std::min(word.find_first_of(",.:;)'\""), word.size()));
    names.insert(word);
  }
  return names;
}

TEST(Completion, EveryShellAndTheManualKnowEveryOption) {
  const auto bash = test::run_sd({"completion", "bash"}).out;
  const auto zsh = test::run_sd({"completion", "zsh"}).out;
  const auto fish = test::run_sd({"completion", "fish"}).out;
  const auto man = test::run_sd({"man"}).out;
  for (const auto& command : kCommands) {
    for (const auto& name : options_of(command)) {
      EXPECT_NE(bash.find(" " + name), std::string::npos) << name;
      // "'*": it may be given again.
      EXPECT_TRUE(contains(zsh, "'" + name) || contains(zsh, "'*" + name)) << name;
      EXPECT_NE(fish.find(" -l " + name.substr(2) + " "), std::string::npos) << name;
      std::string in_roff;
      for (const char c : name) in_roff += c == '-' ? "\\-" : std::string(1, c);
      EXPECT_NE(man.find(in_roff), std::string::npos) << name;
    }
  }
  EXPECT_GT(options_of("txt2img").size(), 40u);
}

TEST(Completion, EveryScriptIsValid) {
  SdHome home;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    if (!is_here(shell)) continue;
    const auto script = home.path(shell + ".sh");
    test::write_text(script, test::run_sd({"completion", shell}).out);
    const auto checked = run_shell(shell, {"-n", script}, home);
    EXPECT_EQ(checked.code, 0) << checked.err;
    EXPECT_EQ(checked.err, "");
  }
}

TEST(Completion, AShellThatIsUnknown) {
  const SdHome sd;
  expect_error(sd({"completion", "bsh"}), 2, {"'bsh' is none of bash, zsh, fish", "'bash'?"});
  expect_error(sd({"completion"}), 2, {"name the shell"});
}

}  // namespace
}  // namespace sd
