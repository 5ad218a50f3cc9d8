#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/sd_process.h"
#include "cli/tiny_run.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using nlohmann::json;
using test::contains;
using test::TempFolder;

/// `sd bench` with the tiny model, 64x64 pixels and two steps.
test::ProcessSetup bench(const std::vector<std::string>& arguments) {
  test::ProcessSetup setup;
  setup.arguments = {"bench", "--ckpt", SD_TEST_DATA "/tiny-v1.ckpt", "--size", "64", "-q"};
  const std::vector<std::string> small = {"--steps",  "2",   "--dtype",   "f32",
                                          "--device", "cpu", "--threads", "1"};
  setup.arguments.insert(setup.arguments.end(), small.begin(), small.end());
  setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
  return setup;
}

/// One run that all tests of its results look at.
class BenchRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder();
    auto setup = bench({"--json", "--rounds", "2", "--profile", trace_path()});
    setup.folder = folder_->path();
    const auto finished = run_program(setup);
    ASSERT_EQ(finished.code, 0) << finished.err;
    ASSERT_EQ(finished.lines().size(), 1u) << finished.out;
    line_ = new json(json::parse(finished.lines().front()));
    trace_ = new json(json::parse(std::ifstream(trace_path())));
  }
  static void TearDownTestSuite() {
    delete trace_;
    delete line_;
    delete folder_;
  }

  static std::string trace_path() { return *folder_ / "trace.json"; }
  static const json& part(const char* name) { return line_->at("phases").at(name); }
  /// The trace's events with this name.
  static std::vector<json> events(const std::string& name) {
    std::vector<json> found;
    for (const auto& event : trace_->at("traceEvents")) {
      if (event.at("name") == name) found.push_back(event);
    }
    return found;
  }

  static TempFolder* folder_;
  static json* line_;
  static json* trace_;
};

TempFolder* BenchRun::folder_ = nullptr;
json* BenchRun::line_ = nullptr;
json* BenchRun::trace_ = nullptr;

TEST_F(BenchRun, MeasuresEachPartOfEachRound) {
  EXPECT_EQ(part("load").at("seconds").size(), 1u);
  EXPECT_EQ(part("text").at("seconds").size(), 2u);
  EXPECT_EQ(part("unet").at("seconds").size(), 4u);  // steps
  EXPECT_EQ(part("vae").at("seconds").size(), 2u);
  EXPECT_EQ(part("file").at("seconds").size(), 2u);
  for (const auto& measured : line_->at("phases")) {
    for (const double seconds : measured.at("seconds")) EXPECT_GT(seconds, 0);
  }
}

TEST_F(BenchRun, ComparesWithTheLimitOfTheSameRun) {
  const double limit = line_->at("limit").at("f32").at("gflops");
  ASSERT_GT(limit, 0);
  for (const char* name : {"text", "unet", "vae"}) {
    const double rate = part(name).at("gflops");
    EXPECT_NEAR(rate * part(name).at("median").get<double>(), part(name).at("gflop"), 1e-9);
    EXPECT_NEAR(part(name).at("share"), rate / limit, 1e-9);
  }
  EXPECT_TRUE(part("file").at("gflops").is_null());
}

TEST_F(BenchRun, KeepsNoPicture) {
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder_->path()))
    left.push_back(entry.path().filename());
  EXPECT_EQ(left, std::vector<std::string>{"trace.json"});
}

TEST_F(BenchRun, TracesLayersByTheirNamesInTheCheckpoint) {
  // The UNet's last convolution, 32 channels to 4, in two steps over two rows of 8x8 latents.
  const auto found = events("model.diffusion_model.out.2");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.front().at("cat"), "conv2d");
  EXPECT_EQ(found.front().at("args").at("input"), json({2, 32, 8, 8}));
  EXPECT_DOUBLE_EQ(found.front().at("args").at("gflop"), 2.0 * 2 * 64 * 9 * 32 * 4 / 1e9);
}

TEST_F(BenchRun, TracesLayersWithinTheirPart) {
  const auto steps = events("unet");
  ASSERT_EQ(steps.size(), 2u);
  const auto layers = events("model.diffusion_model.middle_block.1.transformer_blocks.0.attn1");
  ASSERT_EQ(layers.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const double begin = layers[i].at("ts"), end = begin + layers[i].at("dur").get<double>();
    EXPECT_GE(begin, steps[i].at("ts").get<double>());
    EXPECT_LE(end, steps[i].at("ts").get<double>() + steps[i].at("dur").get<double>());
  }
}

TEST(Bench, OverwritesNoTrace) {
  const TempFolder folder;
  const std::string path = folder / "trace.json";
  test::write_text(path, "mine");
  const auto finished = run_program(bench({"--profile", path}));
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "is there already")) << finished.err;
}

TEST(Bench, AnswersEachLineOfStandardInput) {
  auto setup = bench({"--wait"});
  setup.input = "unet\nvae\nunet\nunet\n";  // of two steps, so that the last is another drawing's
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 0) << finished.err;
  std::vector<std::string> parts;
  for (const auto& line : finished.lines()) parts.push_back(json::parse(line).at("part"));
  EXPECT_EQ(parts, (std::vector<std::string>{"unet", "vae", "unet", "unet"}));
}

TEST(Bench, RefusesALineThatItDoesNotKnow) {
  auto setup = bench({"--wait"});
  setup.input = "vea\n";
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 2);
  EXPECT_EQ(finished.out, "");
  EXPECT_TRUE(contains(finished.err, "'vea'")) << finished.err;
}

}  // namespace
}  // namespace sd
