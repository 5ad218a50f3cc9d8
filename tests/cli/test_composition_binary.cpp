// AND between prompts and {a|b} with --combinations, through the binary on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/image/infotext.h"
#include "sd/image/metadata.h"

namespace sd {
namespace {

using test::contains;
using test::image_lines;
using test::TinyRun;
using Names = std::vector<std::string>;

Names joined(Names first, const Names& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

const Names kOne = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--steps", "4"};

test::Finished command(const TinyRun& run, const std::string& name, const Names& arguments) {
  auto setup = run.setup(arguments);
  setup.arguments.front() = name;
  return test::run_program(setup);
}

int largest_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  EXPECT_EQ(a.size(), b.size());
  int largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(int{a[i]} - int{b[i]}));
  }
  return largest;
}

TEST(CompositionBinary, PartsPullByTheirWeights) {
  const TinyRun run;
  for (const Names& prompt : {Names{"--prompt", "a red cat"},
                              {"--prompt", "a red cat AND a dog:0"},
                              {"--prompt", "a red cat AND a dog:0.6"},
                              {"--prompt", "a red cat AND a dog:-0.6"},
                              {"--prompt", "a red cat AND a dog:0.6", "--prompt-syntax", "plain"},
                              {"--prompt", "a red cat and a dog:0.6"}}) {
    const auto finished = run(joined(kOne, prompt));
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  const auto pixels = [&](int i) { return run.sample("0000" + std::to_string(i) + ".png").pixels; };
  EXPECT_LE(largest_difference(pixels(1), pixels(0)), 1);  // a larger batch rounds otherwise
  EXPECT_NE(pixels(2), pixels(0));
  EXPECT_NE(pixels(3), pixels(2));
  EXPECT_EQ(pixels(5), pixels(4));  // CLIP's words have no capitals
  EXPECT_NE(pixels(4), pixels(2));
}

TEST(CompositionBinary, TheInfotextHoldsThePromptAsWritten) {
  const TinyRun run;
  const std::string prompt = "a (red:1.2) cat AND a [dog:fox:0.5]:-0.6 AND";
  ASSERT_EQ(run(joined(kOne, {"--prompt", prompt})).code, 0);
  const auto text = read_metadata(run.sample_path(0)).parameters.value_or("");
  EXPECT_EQ(parse_infotext(text).prompt, prompt);
  ASSERT_EQ(run(joined(kOne, {"--prompt", parse_infotext(text).prompt})).code, 0);
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

TEST(CompositionBinary, ControlsAndMapsFindTheWordsOfEveryPart) {
  const TinyRun run;
  const Names prompt = {"--prompt", "a red cat AND a dog on a sofa BREAK outside:0.6"};
  ASSERT_EQ(run(joined(kOne, prompt)).code, 0);
  for (const char* weight : {"red=6", "sofa=6", "outside=6"}) {
    ASSERT_EQ(run(joined(joined(kOne, prompt), {"--reweight", weight})).code, 0) << weight;
  }
  for (const char* other : {"00001.png", "00002.png", "00003.png"}) {
    EXPECT_NE(run.sample(other).pixels, run.sample("00000.png").pixels) << other;
  }
  const auto maps = run.path("maps");
  const Names words = {"--words", "red,outside",     "--attn",
                       maps,      "--save_attn_dir", run.path("saved")};
  const auto finished = command(run, "attn", joined(joined(kOne, prompt), words));
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.sample("00004.png").pixels, run.sample("00000.png").pixels);
  // Two parts of two chunks.
  EXPECT_EQ(read_npy(maps / run.sample_path(4).stem() / "maps.npy").shape[0], 4 * 77);
}

TEST(CompositionBinary, EveryDrawingCommandTakesIt) {
  const TinyRun run;
  const Names prompt = {"--prompt", "a red cat AND a dog:0.6"};
  ASSERT_EQ(run(joined(kOne, {"--prompt", "a house"})).code, 0);
  const Names start = {"--init-img", run.sample_path(0), "--strength", "0.75"};
  for (const std::string name : {"img2img", "swap", "attn"}) {
    const auto more = name == "img2img" ? start : Names{};
    const auto finished = command(run, name, joined(joined(kOne, prompt), more));
    EXPECT_EQ(finished.code, 0) << name << finished.err;
  }
  const auto list = run.file("list.txt", "a cat AND a dog AND a fox\na bird\n");
  const auto finished = run({"--from-file", list, "--n_samples", "2", "--n_iter", "1"});
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST(CompositionBinary, WhatCannotBeComposedIsSaid) {
  const TinyRun run;
  const Names swap = {"--sprompt", "a cat", "--prompt", "a dog AND a fox"};
  std::string many = "a";
  for (int i = 0; i < 16; ++i) many += " AND a";
  struct Wrong {
    std::string command;
    Names arguments;
    std::string part;
  };
  for (const auto& [name, arguments, part] :
       {Wrong{"swap", swap, "puts 2 prompts together with AND"},
        Wrong{"swap", joined(swap, {"--mode", "p2p"}), "puts 2 prompts together with AND"},
        Wrong{"swap", joined(swap, {"--dry-run"}), "puts 2 prompts together with AND"},
        Wrong{"txt2img", {"--prompt", many}, "17 prompts together with AND, at most 16"},
        Wrong{"txt2img",
              {"--prompt", "a cat AND a dog", "--reweight", "AND=2"},
              "'AND' stands for no token"},
        Wrong{"attn", {"--prompt", "AND AND"}, "no words to draw"}}) {
    const auto finished = command(run, name, joined(kOne, arguments));
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  }
  EXPECT_TRUE(run.samples().empty());
  // As in the web UI, what is no weight is text and an empty part is an empty prompt.
  for (const char* prompt :
       {"a cat AND (a:x) dog:x", "a cat AND ((a dog", "AND", "a cat AND  AND :0.5"}) {
    const auto finished = run(joined(kOne, {"--prompt", prompt}));
    EXPECT_EQ(finished.code, 0) << prompt << finished.err;
  }
}

TEST(CompositionBinary, InTheNegativePromptAndIsText) {
  const TinyRun run;
  for (const char* negative : {"a red AND green cat", "a red and green cat", "a red cat"}) {
    ASSERT_EQ(run(joined(kOne, {"--prompt", "a cat", "--negative-prompt", negative})).code, 0);
  }
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_NE(run.sample("00002.png").pixels, run.sample("00000.png").pixels);
  const Names maps = {"--prompt",    "a cat",  "--negative-prompt", "a dog AND a fox",
                      "--attn-rows", "uncond", "--words",           "fox,and"};
  EXPECT_EQ(command(run, "attn", joined(kOne, maps)).code, 0);
}

/// Prompts and pixels of all pictures so far.
std::vector<std::pair<std::string, std::vector<uint8_t>>> pictures_of(const TinyRun& run) {
  std::vector<std::pair<std::string, std::vector<uint8_t>>> pictures;
  for (const auto& name : run.samples()) {
    const auto text = read_metadata(run.outdir() / "samples" / name).parameters.value_or("");
    pictures.emplace_back(parse_infotext(text).prompt, run.sample(name).pixels);
  }
  return pictures;
}

TEST(CombinationsBinary, AreTheListOfThePromptsWrittenOut) {
  const TinyRun choices, listed;
  const Names base = {"--n_samples", "3", "--n_iter", "2", "--seed", "5"};
  const auto finished =
      choices(joined(base, {"--prompt", "a {red|green} {cat|dog}", "--combinations", "--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto list = listed.file("list.txt", "a red cat\na red dog\na green cat\na green dog\n");
  ASSERT_EQ(listed(joined(base, {"--from-file", list})).code, 0);
  EXPECT_EQ(pictures_of(choices), pictures_of(listed));
  const auto lines = image_lines(finished);
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[6].at("prompt"), "a green cat");
  EXPECT_EQ(lines[6].at("combinations").at("prompts"),
            nlohmann::json(Names{"a {red|green} {cat|dog}"}));
  EXPECT_EQ(lines[6].at("run").at("prompt_index"), 2);
  EXPECT_EQ(lines[6].at("run").at("prompt_count"), 4);
}

TEST(CombinationsBinary, ExpandLinesOfAFileAndPairsOfASwap) {
  const TinyRun run;
  const auto list = run.file("list.txt", "a {cat|dog}\n\\{a|b\\}\n");
  ASSERT_EQ(run(joined(kOne, {"--from-file", list, "--combinations"})).code, 0);
  const auto pictures = pictures_of(run);
  ASSERT_EQ(pictures.size(), 3u);
  EXPECT_EQ(pictures[1].first, "a dog");
  EXPECT_EQ(pictures[2].first, "{a|b}");
  const TinyRun swap;
  const auto swapped = command(swap, "swap",
                               joined(kOne, {"--sprompt", "a {cat|dog}", "--prompt", "a {fox|car}",
                                             "--combinations", "--json"}));
  ASSERT_EQ(swapped.code, 0) << swapped.err;
  Names found;
  for (const auto& line : image_lines(swapped)) {
    if (line.at("swap").at("branch") == "target") {
      found.push_back(line.at("swap").at("source").get<std::string>() + " > " +
                      line.at("prompt").get<std::string>());
    }
  }
  EXPECT_EQ(found, (Names{"a cat > a fox", "a cat > a car", "a dog > a fox", "a dog > a car"}));
}

TEST(CombinationsBinary, WithoutTheOptionBracesAreText) {
  const TinyRun run;
  const auto plain = run(joined(kOne, {"--prompt", "a {red|green} cat"}));
  EXPECT_EQ(plain.code, 0);
  EXPECT_TRUE(contains(plain.err, "braces in the prompt are text; --combinations")) << plain.err;
  EXPECT_EQ(run.samples().size(), 1u);
  EXPECT_FALSE(contains(run(joined(kOne, {"--prompt", "a {red} cat"})).err, "braces"));
  const auto none = run(joined(kOne, {"--prompt", "a red cat", "--combinations"}));
  EXPECT_TRUE(contains(none.err, "the prompt has no choice")) << none.err;
}

TEST(CombinationsBinary, TooManyAreCountedAndRefused) {
  const TinyRun run;
  std::string many;
  for (int i = 0; i < 14; ++i) many += "{a|b}";
  const auto refused = run(joined(kOne, {"--prompt", many, "--combinations"}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(contains(refused.err, "16384 combinations, at most 10000")) << refused.err;
  const std::string hundred = many.substr(0, 8 * 5);  // 256
  const auto together = command(
      run, "swap", joined(kOne, {"--sprompt", hundred, "--prompt", hundred, "--combinations"}));
  EXPECT_EQ(together.code, 2);
  EXPECT_TRUE(contains(together.err, "65536 combinations together")) << together.err;
  const auto list = run.file("list.txt", many + "\na cat\n");
  const auto rest = run(joined(kOne, {"--from-file", list, "--combinations"}));
  EXPECT_EQ(rest.code, 3);
  EXPECT_TRUE(contains(rest.err, "line 1 cannot be used: the prompt has 16384")) << rest.err;
  EXPECT_EQ(run.samples().size(), 1u);
  const auto only = run.file("only.txt", many + "\n");
  const auto nothing = run(joined(kOne, {"--from-file", only, "--combinations"}));
  EXPECT_EQ(nothing.code, 2);
  EXPECT_TRUE(contains(nothing.err, "no usable prompt: line 1")) << nothing.err;
}

}  // namespace
}  // namespace sd
