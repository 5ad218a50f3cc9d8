// `sd-train` from nothing to a model that `sd` draws with, on a model of a few thousand numbers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/sd_process.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::Finished;
using test::TempFolder;

class TrainBinary : public ::testing::Test {
 protected:
  test::ProcessSetup setup(const std::vector<std::string>& arguments) const {
    test::ProcessSetup made;
    made.binary = fs::path(SD_BINARY).parent_path() / "sd-train";
    made.arguments = arguments;
    if (arguments.front() != "scenes") {
      made.arguments.insert(made.arguments.end(),
                            {"--recipe", SD_TEST_DATA "/train/recipe.yaml", "--threads", "1"});
    }
    made.arguments.insert(made.arguments.end(), {"--out", out().string()});
    return made;
  }
  Finished train(const std::vector<std::string>& arguments) const {
    return test::run_program(setup(arguments));
  }
  fs::path out() const { return folder / "out"; }

  std::vector<nlohmann::json> log() const {
    std::vector<nlohmann::json> lines;
    std::ifstream file(out() / "log.jsonl");
    for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  TempFolder folder;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(TrainBinary, TrainsFromNothingToAModelThatDraws) {
  const auto finished = train({"all"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(contains(finished.err, "dB over 200 unseen scenes")) << finished.err;
  ASSERT_TRUE(fs::exists(out() / "model/model.safetensors"));
  ASSERT_TRUE(fs::exists(out() / "model/model.yaml"));
  std::vector<std::string> stages;
  for (const auto& line : log()) {
    if (stages.empty() || stages.back() != line.at("stage")) stages.push_back(line.at("stage"));
  }
  EXPECT_EQ(stages, (std::vector<std::string>{"vae", "latents", "unet"}));
  EXPECT_EQ(log().back().at("pictures"), 256);
  EXPECT_TRUE(log().back().at("loss").contains("attention"));

  const auto drawn =
      test::run_sd({"txt2img", "--ckpt", out() / "model/model.safetensors", "--prompt",
                    "a blue cat", "--H", "128", "--W", "128", "--ddim_steps", "2", "--n_samples",
                    "1", "--n_iter", "1", "--skip_grid", "--outdir", folder / "pictures"});
  EXPECT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_TRUE(fs::exists(folder / "pictures/samples/00000.png"));

  // Going on from an exported model when the states are gone.
  fs::rename(out() / "model", folder / "exported");
  fs::remove_all(out());
  const auto model = folder / "exported/model.safetensors";
  ASSERT_EQ(train({"latents", "--init", model}).code, 0);
  const auto again = train({"unet", "--init", model, "--pictures", "32"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.err, "tensors from " + model.string())) << again.err;
}

TEST_F(TrainBinary, GoesOnWhereItWasKilled) {
  {
    test::Process running(setup({"vae", "--pictures", "100000"}));
    ASSERT_TRUE(running.wait_until([&] { return fs::exists(out() / "vae.state.safetensors"); }));
    running.signal(SIGKILL);
    running.wait();
  }
  test::Process running(setup({"vae", "--pictures", "100000"}));
  const auto begun = fs::last_write_time(out() / "vae.state.safetensors");
  ASSERT_TRUE(running.wait_until([&] {
    std::error_code ignored;
    const auto now = fs::last_write_time(out() / "vae.state.safetensors", ignored);
    return !ignored && now > begun;
  }));
  running.signal(SIGINT);
  const auto finished = running.wait();
  EXPECT_EQ(finished.code, 130) << finished.err;
  EXPECT_TRUE(contains(finished.err, "going on from")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "the same command goes on from here")) << finished.err;
}

TEST_F(TrainBinary, NamesTheStageThatMustComeFirst) {
  const auto finished = train({"unet"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "Run `sd-train")) << finished.err;
}

TEST_F(TrainBinary, NamesThePackageOfAMissingFont) {
  const auto finished = train({"scenes", "--n", "1", "--font", folder / "none.ttf"});
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "fonts-noto-color-emoji")) << finished.err;
}

TEST_F(TrainBinary, WritesScenes) {
  ASSERT_EQ(train({"scenes", "--n", "3"}).code, 0);
  EXPECT_TRUE(fs::exists(out() / "00002.png"));
  EXPECT_TRUE(fs::exists(out() / "scenes.jsonl"));
}

TEST_F(TrainBinary, ClosedStreamsDoNotBecomeItsFiles) {
  auto made = setup({"scenes", "--n", "1"});
  made.closed_descriptors = {0, 1, 2};
  EXPECT_EQ(test::run_program(made).code, 0);
  EXPECT_FALSE(contains(test::read_text(out() / "scenes.jsonl"), out().string()));
}

TEST_F(TrainBinary, OutputThatIsNotDeliveredIsSaid) {
  auto made = setup({"scenes", "--n", "1"});
  made.stdout_closed = true;
  const auto finished = test::run_program(made);
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "standard output: Broken pipe")) << finished.err;
  EXPECT_TRUE(fs::exists(out() / "scenes.jsonl"));
}

TEST_F(TrainBinary, AFifoInPlaceOfItsLogIsRefused) {
  fs::create_directories(out());
  ASSERT_EQ(::mkfifo((out() / "log.jsonl").c_str(), 0600), 0);
  const auto finished = train({"vae", "--pictures", "16"});
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "found a FIFO")) << finished.err;
}

TEST_F(TrainBinary, AFolderThatCannotBeWrittenIsSaidAtOnce) {
  test::write_text(folder / "file", "");
  auto made = setup({"vae"});
  made.arguments.back() = (folder / "file").string();
  const auto finished = test::run_program(made);
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "expected a folder")) << finished.err;
}

TEST_F(TrainBinary, AFullDiskStopsWithTheReason) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  fs::create_directories(out());
  fs::create_symlink("/dev/full", out() / "log.jsonl");
  const auto finished = train({"vae", "--pictures", "16"});
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "disk full")) << finished.err;
}

}  // namespace
}  // namespace sd
