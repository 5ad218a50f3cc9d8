// Grids over options, through the binary on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Texts = std::vector<std::string>;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream input(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(input), {}};
}

TEST(Grids, DrawEveryCombinationFromOneSeedOnALabelledSheet) {
  const TinyRun run;
  const auto finished =
      run({"--prompt", "a red apple", "--grid", "scale=1.5,3,5;sampler=ddim,plms", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = test::image_lines(finished);
  ASSERT_EQ(lines.size(), 6u);
  const std::vector<std::pair<double, std::string>> expected = {
      {1.5, "ddim"}, {3, "ddim"}, {5, "ddim"}, {1.5, "plms"}, {3, "plms"}, {5, "plms"}};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(lines[i].at("scale"), expected[i].first);
    EXPECT_EQ(lines[i].at("sampler"), expected[i].second);
    EXPECT_EQ(lines[i].at("seed"), 42);
  }
  const auto sheet = nlohmann::json::parse(finished.lines().back());
  EXPECT_EQ(sheet.at("kind"), "grid");
  const auto picture = read_image(sheet.at("path").get<std::string>());
  EXPECT_GT(picture.width, 3 * 128);   // and room for the rows' labels
  EXPECT_GT(picture.height, 2 * 128);  // and the columns'
  EXPECT_LT(picture.height, 3 * 128);
}

/// The command that `sd info --as-args` gives for a picture, without `sd` and its end of line.
std::string command_of(const TinyRun& run, const std::filesystem::path& picture) {
  test::ProcessSetup setup;
  setup.arguments = {"info", "--as-args", picture.string()};
  setup.environment = {{"XDG_CACHE_HOME", run.path("cache").string()}};
  const auto finished = test::run_program(setup);
  EXPECT_EQ(finished.code, 0) << finished.err;
  return finished.lines().at(0).substr(3);
}

/// Draws by a command of a shell into a folder of its own, which is returned.
std::filesystem::path drawn_again(const TinyRun& run, const std::string& command) {
  const auto folder = run.path("again");
  std::filesystem::remove_all(folder);
  test::ProcessSetup setup;
  setup.binary = "/bin/bash";
  setup.arguments = {"-c", SD_BINARY " " + command + " --outdir " + folder.string()};
  setup.environment = {{"XDG_CACHE_HOME", run.path("cache").string()}};
  const auto finished = test::run_program(setup);
  EXPECT_EQ(finished.code, 0) << command << "\n" << finished.err;
  return folder;
}

/// By how much two pictures differ at most.
int difference(const Image& a, const Image& b) {
  int most = a.pixels.size() == b.pixels.size() ? 0 : 255;
  for (std::size_t i = 0; most < 255 && i < a.pixels.size(); ++i)
    most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
  return most;
}

/// What a cell of a batch may differ by from the same picture drawn alone: float32 sums in another
/// order move a value across the edge of a level now and then.
constexpr int kRounding = 1;

struct SharedAxes {
  const char* name;
  Texts common;
  std::string grid;
  std::vector<Texts> alone;  // the options of some cells
  std::vector<std::size_t> cells;
};

class SharedGrids : public ::testing::TestWithParam<SharedAxes> {};

TEST_P(SharedGrids, CellsOfABatchAreThePicturesDrawnAlone) {
  const auto& [name, common, axes, alone, cells] = GetParam();
  const TinyRun grid, single;
  auto arguments = common;
  arguments.insert(arguments.end(), {"--grid", axes, "--json"});
  const auto finished = grid(arguments);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = test::image_lines(finished);
  ASSERT_GT(lines.size(), 1u);
  EXPECT_EQ(lines.back().at("run").at("batch_size"), lines.size());  // one batch
  for (std::size_t i = 0; i < alone.size(); ++i) {
    auto words = common;
    words.insert(words.end(), alone[i].begin(), alone[i].end());
    words.insert(words.end(), {"--n_samples", "1", "--n_iter", "1"});
    ASSERT_EQ(single(words).code, 0);
    EXPECT_LE(difference(read_image(single.sample_path(i)), read_image(grid.sample_path(cells[i]))),
              kRounding)
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Axes, SharedGrids,
    ::testing::Values(SharedAxes{"Scales",
                                 {"--prompt", "a red apple"},
                                 "scale=1.5,9",
                                 {{"--scale", "1.5"}, {"--scale", "9"}},
                                 {0, 1}},
                      SharedAxes{"PromptsAndNegativePrompts",
                                 {},
                                 "prompt=a red cat,a dog;negative_prompt=blurry,\"\"",
                                 {{"--prompt", "a red cat", "--negative-prompt", "blurry"},
                                  {"--prompt", "a dog", "--negative-prompt", ""}},
                                 {0, 3}},
                      SharedAxes{"SeedsWithRandomSteps",
                                 {"--prompt", "a cat", "--ddim_eta", "0.7"},
                                 "seed=5,6",
                                 {{"--seed", "5"}, {"--seed", "6"}},
                                 {0, 1}},
                      SharedAxes{"SeedsOfBrownianPaths",
                                 {"--prompt", "a cat", "--sampler", "dpm++_2m_sde"},
                                 "seed=5,9",
                                 {{"--seed", "5"}, {"--seed", "9"}},
                                 {0, 1}},
                      SharedAxes{"Variations",
                                 {"--prompt", "a cat"},
                                 "variation=7:0.2,8:0.6",
                                 {{"--variation", "7:0.2"}, {"--variation", "8:0.6"}},
                                 {0, 1}},
                      SharedAxes{"Weights",
                                 {"--prompt", "a red cat"},
                                 "reweight=red=-2,cat=4",
                                 {{"--reweight", "red=-2"}, {"--reweight", "cat=4"}},
                                 {0, 1}}),
    [](const auto& axes) { return std::string(axes.param.name); });

TEST(Grids, SwapsShareBatchesToo) {
  const TinyRun grid, single;
  auto setup = grid.setup({"--sprompt", "a red cat", "--mode", "p2p", "--ddim_eta", "0.5", "--grid",
                           "prompt=a red dog,a blue cat"});
  setup.arguments[0] = "swap";
  ASSERT_EQ(run_program(setup).code, 0);
  auto alone = single.setup({"--sprompt", "a red cat", "--mode", "p2p", "--ddim_eta", "0.5",
                             "--prompt", "a blue cat", "--n_samples", "1"});
  alone.arguments[0] = "swap";
  ASSERT_EQ(run_program(alone).code, 0);
  EXPECT_LE(difference(read_image(single.sample_path(0)), read_image(grid.sample_path(1))),
            kRounding);
  EXPECT_LE(difference(read_image(single.outdir() / "source/00000.png"),
                       read_image(grid.outdir() / "source/00001.png")),
            kRounding);
}

TEST(Grids, WhatASheetOrACellSaysOfItselfDrawsItAgainToTheByte) {
  const TinyRun run;
  ASSERT_EQ(run({"--prompt", "a red apple", "--ddim_eta", "0.5", "--grid", "scale=1.5,3,5"}).code,
            0);
  const auto sheet = run.outdir() / "sheet-0000.png";
  const auto of_sheet = command_of(run, sheet);
  EXPECT_TRUE(contains(of_sheet, "--grid 'scale=1.5,3,5'")) << of_sheet;
  EXPECT_EQ(bytes_of(drawn_again(run, of_sheet) / "sheet-0000.png"), bytes_of(sheet));
  const auto cell = run.sample_path(1);
  const auto of_cell = command_of(run, cell);
  EXPECT_TRUE(contains(of_cell, "--only 1")) << of_cell;
  const auto again = drawn_again(run, of_cell);
  EXPECT_EQ(bytes_of(again / "samples/00000.png"), bytes_of(cell));
  EXPECT_FALSE(std::filesystem::exists(again / "sheet-0000.png"));
}

TEST(Grids, ACellThatFailsLeavesTheOthersOfItsBatch) {
  const TinyRun run;
  const auto finished =
      run({"--prompt", "a red apple", "--grid", "reweight=red=1,red=3e38,red=2", "--json"});
  EXPECT_EQ(finished.code, 3) << finished.err;
  EXPECT_TRUE(contains(finished.err, "reweight=red=3e38: ")) << finished.err;
  EXPECT_EQ(run.samples().size(), 2u);
}

TEST(Grids, OnlyNamesACellThatIsThere) {
  const TinyRun run;
  const auto finished = run({"--prompt", "a", "--grid", "scale=3,5", "--only", "2"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "the grid has 2 cells")) << finished.err;
}

TEST(Grids, MayHaveSizesAndPromptsAsAxes) {
  const TinyRun run;
  const auto finished = run({"--grid", "prompt=\"a cat, asleep\",a dog;W=64,128", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = test::image_lines(finished);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].at("prompt"), "a cat, asleep");
  EXPECT_EQ(lines[3].at("width"), 128);
  const auto sheet = nlohmann::json::parse(finished.lines().back());
  EXPECT_GT(read_image(sheet.at("path").get<std::string>()).width, 2 * 128);
}

TEST(Grids, SayWhatIsWrongBeforeAnythingIsDrawn) {
  const TinyRun run;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"scalee=1,2", "--grid: unknown option 'scalee'\n    Did you mean 'scale'?"},
      {"scale=1,x", "--grid: scale: 'x'"},
      {"scale=", "--grid: 'scale' has an empty value"},
      {"scale", "--grid: 'scale' has no values"},
      {"sampler=ddim,eulr", "'eulr'"},
      {"W=128,100", "--W 100"},
      {"outdir=a,b", "--outdir"},
  };
  for (const auto& [grid, part] : cases) {
    const auto finished = run({"--grid", grid});
    EXPECT_EQ(finished.code, 2) << grid;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
    EXPECT_FALSE(std::filesystem::exists(run.outdir()));
  }
}

}  // namespace
}  // namespace sd
