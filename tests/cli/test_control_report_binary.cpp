// What controls tell of themselves: `--dry-run`, `-v`, `--json`, and a word of those that did
// nothing. On the tiny model.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::contains;
using test::Finished;
using test::TinyRun;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

const Words kSwap = {"--mode",          "p2p",         "--sprompt", "a cat on a sofa", "--prompt",
                     "a dog on a sofa", "--n_samples", "1",         "--ddim_steps",    "5"};

Finished swap(const TinyRun& run, const Words& more, const Words& given = kSwap) {
  auto words = given;
  words.insert(words.end(), more.begin(), more.end());
  auto setup = run.setup(words);
  setup.arguments.front() = "swap";
  return test::run_program(setup);
}

/// The lines of kind "control", by their control.
std::map<std::string, Json> control_lines(const Finished& finished) {
  std::map<std::string, Json> lines;
  std::istringstream out(finished.out);
  for (std::string line; std::getline(out, line);) {
    const auto json = Json::parse(line);
    if (json.at("kind") == "control") lines[json.at("control")] = json;
  }
  return lines;
}

TEST(ControlReport, JsonTellsWordsStepsLayersAndHowMuchAttentionMoved) {
  const TinyRun run;
  const auto finished = swap(run, {"--json", "--reweight", "dog=3", "--reweight-steps", "0:0.6"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = control_lines(finished);
  ASSERT_EQ(lines.size(), 3u) << finished.out;
  const auto& cross = lines.at("cross-attention");
  EXPECT_EQ(cross.at("num_steps"), 5);
  EXPECT_EQ(cross.at("layers").size(), lines.at("cross-attention").at("model_layers"));
  EXPECT_GT(cross.at("moved"), 0);
  const auto& reweight = lines.at("reweight");
  EXPECT_EQ(reweight.at("words").at(0).at("word"), "dog");
  EXPECT_EQ(reweight.at("words").at(0).at("tokens"), Json({2}));
  EXPECT_EQ(reweight.at("steps"), Json({0, 1, 2}));
  EXPECT_GT(reweight.at("most"), reweight.at("moved"));
}

TEST(ControlReport, ADryRunTellsWhatIsPlanned) {
  const TinyRun run;
  const auto told = swap(run, {"--dry-run", "--json", "--self-max-res", "8"});
  ASSERT_EQ(told.code, 0) << told.err;
  const auto self = control_lines(told).at("self-attention");
  EXPECT_LT(self.at("planned_layers"), self.at("model_layers"));
  EXPECT_FALSE(self.contains("steps"));
  const auto read = swap(run, {"--dry-run", "--local-blend", "dog"});
  EXPECT_TRUE(contains(read.out, "--self-steps: 0 to 0.4 of the steps")) << read.out;
  EXPECT_TRUE(contains(read.out, "--local-blend dog (token 2)")) << read.out;
}

TEST(ControlReport, VerboseSaysWhatEachDid) {
  const TinyRun run;
  const auto finished = swap(run, {"-v"});
  EXPECT_TRUE(contains(finished.err, "--cross-steps: changed steps 1 to 4 of 5")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "% of attention, at most")) << finished.err;
}

TEST(ControlReport, AControlThatChangedNothingIsNamed) {
  const TinyRun run;
  const auto few = swap(run, {"--self-steps", "0:0.1"});
  EXPECT_TRUE(contains(few.err, "--self-steps: changed nothing: 0:0.1 of so few steps is none"))
      << few.err;
  const auto nowhere = swap(run, {"--layers", "middle", "--res", "16"});
  EXPECT_TRUE(contains(nowhere.err, "leave it no layer")) << nowhere.err;
  const auto everywhere = swap(run, {"--local-blend", "dog", "--blend-threshold", "0"});
  EXPECT_TRUE(contains(everywhere.err, "kept nothing")) << everywhere.err;
}

TEST(ControlReport, WhatWasTurnedOffIsNoFault) {
  const TinyRun run;
  const auto finished = swap(run, {"--self-steps", "0:0"});
  EXPECT_FALSE(contains(finished.err, "changed nothing")) << finished.err;
}

TEST(ControlReport, WatchingChangesNoPixel) {
  const TinyRun run;
  ASSERT_EQ(swap(run, {}).code, 0);
  ASSERT_EQ(swap(run, {"-v"}).code, 0);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

}  // namespace
}  // namespace sd
