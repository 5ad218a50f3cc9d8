// --excite and --box through the binary, on the tiny model.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"

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

const Names kOne = {"--n_samples", "1",        "--n_iter",           "1", "--skip_grid", "--steps",
                    "4",           "--prompt", "a red cat and a dog"};

TEST(GuideBinary, GuidesMovePicturesAndNoScaleMovesNone) {
  const TinyRun run;
  for (const Names& guide : {Names{},
                             {"--excite", "cat,dog", "--excite-scale", "200"},
                             {"--box", "cat=0,0,0.5,1", "--box", "dog=0.5,0,1,1"},
                             {"--excite", "cat,dog", "--excite-scale", "0", "--box",
                              "cat=0,0,0.5,1", "--box-scale", "0"}}) {
    const auto finished = run(joined(kOne, guide));
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  const auto pixels = [&](int i) { return run.sample("0000" + std::to_string(i) + ".png").pixels; };
  EXPECT_NE(pixels(1), pixels(0));
  EXPECT_NE(pixels(2), pixels(0));
  EXPECT_EQ(pixels(3), pixels(0));
}

TEST(GuideBinary, APictureTellsAndRepeatsItsGuides) {
  const TinyRun run;
  const auto drawn = run(joined(kOne, {"--excite", "cat, dog", "--box", "red cat=0.1,0.2,0.5,0.9",
                                       "--box-scale", "40", "--json"}));
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const auto guides = image_lines(drawn).front().at("guides");
  EXPECT_EQ(guides.at("excite"), (nlohmann::json{"cat", "dog"}));
  EXPECT_EQ(guides.at("excite_scale"), 20);
  EXPECT_EQ(guides.at("boxes").at(0).at("word"), "red cat");
  EXPECT_EQ(guides.at("boxes").at(0).at("box"), (nlohmann::json{0.1, 0.2, 0.5, 0.9}));
  EXPECT_EQ(guides.at("box_scale"), 40);
  EXPECT_EQ(guides.at("box_method"), "boxdiff");
  EXPECT_EQ(guides.at("res"), 64);  // latents of 16: the layers that have 16
  EXPECT_EQ(guides.at("box_part"), 0.8);
  auto setup = run.setup({});
  setup.arguments = {"info", run.sample_path(0).string(), "--as-args"};
  const auto told = test::run_program(setup);
  ASSERT_EQ(told.code, 0) << told.err;
  EXPECT_TRUE(contains(told.out, "--excite 'cat, dog'") ||
              contains(told.out, "--excite \"cat, dog\""))
      << told.out;
  const auto repeated = run(joined(
      kOne, {"--excite", "cat, dog", "--box", "red cat=0.1,0.2,0.5,0.9", "--box-scale", "40"}));
  ASSERT_EQ(repeated.code, 0);
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

TEST(GuideBinary, WithoutGuidesNothingIsTold) {
  const TinyRun run;
  const auto drawn = run(joined(kOne, {"--json"}));
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_FALSE(image_lines(drawn).front().contains("guides"));
}

TEST(GuideBinary, TargetsOfASwapAreGuided) {
  const TinyRun run;
  const auto swap = [&](const Names& more) {
    auto setup = run.setup(joined(
        joined(kOne, {"--sprompt", "a red cat and a fox", "--mode", "p2p", "--reweight", "dog=2"}),
        more));
    setup.arguments.front() = "swap";
    return test::run_program(setup);
  };
  ASSERT_EQ(swap({}).code, 0);
  const auto guided = swap({"--box", "dog=0.5,0,1,1"});
  ASSERT_EQ(guided.code, 0) << guided.err;
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

TEST(GuideBinary, WhatCannotBeIsRefusedByName) {
  const TinyRun run;
  const struct {
    Names arguments;
    const char* said;
  } cases[] = {
      {{"--excite", "horse"}, "--excite: 'horse'"},
      {{"--box", "horse=0,0,1,1"}, "--box: 'horse'"},
      {{"--box", "cat=0,0,1.5,1"}, "reaches out of the picture"},
      {{"--box", "cat=-0.1,0,1,1"}, "reaches out of the picture"},
      {{"--box", "cat=0.5,0,0.5,1"}, "is empty"},
      {{"--box", "cat=0,0.9,1,0.2"}, "its top edge is not before its bottom edge"},
      {{"--box", "cat=0,0,1"}, "has 3 edges"},
      {{"--box", "0,0,1,1"}, "names no word"},
      {{"--box", "cat=nan,0,1,1"}, "--box"},
      {{"--excite-scale", "5"}, "--excite-scale"},
      {{"--box-scale", "5"}, "--box-scale"},
      {{"--box-method", "backward"}, "--box-method"},
      {{"--box-part", "0.5"}, "--box-part"},
      {{"--box", "cat=0,0,1,1", "--box-method", "backward", "--box-part", "0.5"}, "--box-part"},
      {{"--guide-res", "16"}, "--guide-res"},
      {{"--excite", "cat", "--guide-res", "12"}, "expected 8, 16, 32 or 64"},
      {{"--excite", "cat", "--deepcache", "2"}, "--deepcache"},
      {{"--excite", "cat", "--tome", "0.5"}, "--tome"},
      {{"--excite", "cat", "--prompt", "a cat AND a dog"}, "AND"},
      {{"--excite", "cat", "--style-aligned"}, "Leave --style-aligned or --excite out"},
      {{"--box", "cat=0,0,1,1", "--reference", "none.png"}, "Leave --reference or --box"},
  };
  for (const auto& [arguments, said] : cases) {
    const auto refused = run(joined(kOne, arguments));
    EXPECT_EQ(refused.code, 2) << said;
    EXPECT_TRUE(contains(refused.err, said)) << refused.err;
  }
  auto setup = run.setup(joined(kOne, {"--sprompt", "a red cat", "--excite", "cat"}));
  setup.arguments.front() = "swap";
  const auto fork = test::run_program(setup);
  EXPECT_EQ(fork.code, 2);
  EXPECT_TRUE(contains(fork.err, "--mode fork")) << fork.err;
  for (const std::string method : {"--masactrl", "--pnp", "--appearance"}) {
    auto shared = setup;
    shared.arguments.push_back(method);
    const auto refused = test::run_program(shared);
    EXPECT_EQ(refused.code, 2) << method;
    EXPECT_TRUE(contains(refused.err, "Leave " + method + " or --excite out")) << refused.err;
  }
  EXPECT_TRUE(run.samples().empty());
}

}  // namespace
}  // namespace sd
