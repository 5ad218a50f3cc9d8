// `sd txt2img --control` with a T2I-Adapter that is small enough to be written here, and
// `sd preprocess`.
#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/preprocess.h"
#include "sd/image/write.h"
#include "support/tiny_adapter.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;

/// A picture of a square, wider than high.
std::string picture_file(const TinyRun& run, const char* name = "square.png") {
  Image image{160, 128, 3, std::vector<uint8_t>(160 * 128 * 3, 230)};
  for (int64_t y = 30; y < 90; ++y) {
    for (int64_t x = 50; x < 110; ++x)
      image.pixels[static_cast<std::size_t>((y * 160 + x) * 3)] = 9;
  }
  write_picture(run.path(name), image);
  return run.path(name);
}

test::Finished draw(const TinyRun& run, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return run(words);
}

TEST(ControlNetBinary, APictureTellsItsNetsAndIsRepeatedToTheByte) {
  const TinyRun run;
  const auto net = run.file("adapter_sketch.safetensors", test::tiny_adapter_file());
  const auto control = net + ":" + picture_file(run) + ":0.75";
  const auto finished = draw(run, {"--control", control, "--control-preprocess", "scribble"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(contains(finished.err, "160x128, another shape than 128x128: its middle is taken"))
      << finished.err;
  const auto line = test::image_lines(finished).at(0);
  const auto& told = line.at("nets").at("control").at(0);
  EXPECT_EQ(told.at("net"), "adapter_sketch");
  EXPECT_EQ(told.at("picture"), "square.png");
  EXPECT_EQ(told.at("weight"), 0.75);
  EXPECT_TRUE(line.at("file_hashes").contains("control"));

  const auto info = test::run_sd({"info", "--as-args", run.sample_path(0)});
  ASSERT_EQ(info.code, 0) << info.err;
  test::ProcessSetup setup;
  setup.binary = "/bin/bash";
  setup.arguments = {"-c", "sd() { " SD_BINARY " \"$@\"; }\n" + info.lines().front() +
                               " --outdir " + run.path("again").string()};
  ASSERT_EQ(run_program(setup).code, 0);
  EXPECT_EQ(test::read_text(run.path("again") / "samples/00000.png"),
            test::read_text(run.sample_path(0)));
}

TEST(ControlNetBinary, ANetOfWeightZeroDrawsWhatNoneDraws) {
  const TinyRun run;
  const auto net = run.file("adapter.safetensors", test::tiny_adapter_file());
  const auto picture = picture_file(run);
  ASSERT_EQ(draw(run, {}).code, 0);
  ASSERT_EQ(draw(run, {"--control", net + ":" + picture + ":0"}).code, 0);
  ASSERT_EQ(draw(run, {"--control", net + ":" + picture}).code, 0);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00002.png").pixels);
}

TEST(ControlNetBinary, TasksOfAListHaveNetsOfTheirOwn) {
  const TinyRun run;
  const auto net = run.file("adapter.safetensors", test::tiny_adapter_file());
  const auto picture = picture_file(run);
  nlohmann::json task = {{"prompt", "a cat"}, {"seed", 5}};
  const auto plain = task.dump() + "\n";
  task["control"] = {net + ":" + picture};
  const auto list = run.file("list.jsonl", task.dump() + "\n" + plain + task.dump() + "\n");
  const auto finished = draw(run, {"--from-file", list});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00002.png").pixels);
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST(ControlNetBinary, AConfinedTaskReadsNoNetAndNoPictureFromElsewhere) {
  const TinyRun run, other;
  const auto net = other.file("adapter.safetensors", test::tiny_adapter_file());
  const nlohmann::json task = {{"prompt", "a cat"}, {"control", {net + ":" + picture_file(run)}}};
  const auto list = run.file("list.jsonl", task.dump() + "\n");
  const auto finished = draw(run, {"--from-file", list, "--confined"});
  EXPECT_EQ(finished.code, 3);
  EXPECT_TRUE(contains(finished.err, "is not below")) << finished.err;
}

/// What is wrong is said before anything is loaded, each by its exit code.
TEST(ControlNetBinary, WhatIsWrongIsNamed) {
  const TinyRun run;
  const auto net = run.file("adapter.safetensors", test::tiny_adapter_file());
  const auto picture = picture_file(run);
  const auto expect = [&](std::vector<std::string> words, int code, std::string_view part) {
    const auto finished = draw(run, words);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  expect({"--control", net + ":" + run.path("no.png").string()}, 5, "no.png does not exist");
  expect({"--control", run.path("no.ckpt").string() + ":" + picture}, 5, "no.ckpt does not exist");
  expect({"--control", net + ":" + run.file("text.png", "none")}, 5, "text.png");
  expect({"--control", picture + ":" + picture}, 4, "square.png");
  expect({"--control", net + ":" + picture + ":nan"}, 2, "'nan' is not a number");
  expect({"--control", net + ":" + picture, "--deepcache", "2"}, 2, "Leave one of the two out");
  expect({"--control-mode", "prompt"}, 2, "belongs to a control net");
  expect(
      {"--control", net + ":" + picture, "--control-mode", "prompt", "--control-mode", "control"},
      2, "given 2 times for 1 control nets");
  expect({"--control", SD_TEST_DATA "/tiny-v1.ckpt:" + picture}, 4,
         "expected a ControlNet or a T2I-Adapter, found: Stable Diffusion v1");
}

TEST(PreprocessBinary, WritesTheMap) {
  const TinyRun run;
  const auto picture = picture_file(run);
  const auto out = run.path("edges.png").string();
  const auto finished = test::run_sd({"preprocess", "canny", picture, "-o", out, "--low", "20"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.out, out + "\n");
  EXPECT_EQ(read_image(out).pixels, canny(read_image(picture), 20, 200).pixels);
}

TEST(PreprocessBinary, WhatIsWrongIsNamed) {
  const TinyRun run;
  const auto picture = picture_file(run);
  const auto out = run.path("x.png").string();
  const auto unknown = test::run_sd({"preprocess", "cany", picture, "-o", out});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(contains(unknown.err, "Did you mean 'canny'?")) << unknown.err;
  const auto foreign = test::run_sd({"preprocess", "blur", picture, "-o", out, "--low", "3"});
  EXPECT_EQ(foreign.code, 2);
  EXPECT_TRUE(contains(foreign.err, "--low: belongs to canny, not to blur")) << foreign.err;
  EXPECT_EQ(test::run_sd({"preprocess", "canny", run.path("no.png"), "-o", out}).code, 5);
  EXPECT_EQ(test::run_sd({"preprocess", "canny", picture}).code, 2);
}

}  // namespace
}  // namespace sd
