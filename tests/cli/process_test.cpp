#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/terminal_run.h"
#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::Process;
using test::run_on_terminal;
using test::run_sd;
using test::TinyRun;

/// A run that would take minutes, stopped after its first picture.
class LongRun {
 public:
  LongRun() : process_(run_.setup({"--n_samples", "1", "--n_iter", "5000"})) {
    started_ = process_.wait_until([this] { return !run_.samples().empty(); });
  }

  TinyRun run_;
  Process process_;
  bool started_ = false;
};

/// Every file is a whole picture, and there is no grid.
void expect_whole_pictures(const TinyRun& run) {
  for (const auto& name : run.samples()) EXPECT_EQ(run.sample(name).width, 128) << name;
  EXPECT_FALSE(std::filesystem::exists(run.outdir() / "grid-0000.png"));
}

TEST(Interrupt, KeepsFinishedPicturesAndReturns130) {
  for (const int number : {SIGINT, SIGTERM}) {
    LongRun run;
    ASSERT_TRUE(run.started_);
    run.process_.signal(number);
    const auto finished = run.process_.wait();
    EXPECT_EQ(finished.code, 130);
    EXPECT_NE(finished.err.find("of 5000 pictures kept in"), std::string::npos) << finished.err;
    EXPECT_NE(finished.err.find("sd: interrupted\n"), std::string::npos) << finished.err;
    EXPECT_EQ(finished.lines().size(), run.run_.samples().size());
    expect_whole_pictures(run.run_);
  }
}

TEST(Interrupt, ASecondOneEndsItAtOnce) {
  LongRun run;
  ASSERT_TRUE(run.started_);
  run.process_.signal(SIGINT);
  run.process_.signal(SIGTERM);
  const auto finished = run.process_.wait();
  EXPECT_EQ(finished.code, 130);
  EXPECT_EQ(finished.err.find("kept in"), std::string::npos) << finished.err;
  for (const auto& name : run.run_.samples()) {
    if (!name.ends_with(".png")) continue;  // a temporary file that the end came upon
    EXPECT_EQ(run.run_.sample(name).width, 128) << name;
  }
}

TEST(StandardStreams, AReaderThatWentAwayIsNoError) {
  const TinyRun run;
  auto setup = run.setup({"--n_samples", "2", "--n_iter", "1"});
  setup.stdout_closed = true;
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples().size(), 2u);
}

TEST(StandardStreams, ATerminalGetsAProgressLine) {
  const TinyRun run;
  const auto shown = run_on_terminal(run, "xterm", {"--n_samples", "1", "--n_iter", "1"});
  EXPECT_NE(shown.find("\rloading tiny-v1 ["), std::string::npos) << shown;
  EXPECT_NE(shown.find("picture 1 of 1 ["), std::string::npos) << shown;
  EXPECT_NE(shown.find(" steps/s, "), std::string::npos) << shown;
  EXPECT_EQ(shown.find("\n"), std::string::npos) << "the line rewrites itself: " << shown;
}

TEST(StandardStreams, ATerminalThatCannotRewriteGetsLines) {
  const TinyRun run;
  const auto shown = run_on_terminal(run, "dumb", {"--n_samples", "1", "--n_iter", "1"});
  EXPECT_NE(shown.find("sd: picture 1 of 1 "), std::string::npos) << shown;
  EXPECT_EQ(shown.find("steps/s"), std::string::npos) << shown;
}

/// The binary without its other half: whatever works here works without LibTorch.
class BinaryAlone : public testing::Test {
 protected:
  test::Finished operator()(const std::vector<std::string>& arguments) const {
    std::filesystem::copy_file(SD_BINARY, folder_ / "sd",
                               std::filesystem::copy_options::overwrite_existing);
    test::ProcessSetup setup;
    setup.binary = folder_ / "sd";
    setup.arguments = arguments;
    return run_program(setup);
  }

  test::TempFolder folder_;
};

TEST_F(BinaryAlone, HelpsInformsAndRejects) {
  EXPECT_EQ((*this)({"--help"}).code, 0);
  EXPECT_EQ((*this)({"--version"}).out, "sd 0.1.0\n");
  EXPECT_NE((*this)({"txt2img", "--help"}).out.find("--ddim_steps"), std::string::npos);
  EXPECT_EQ((*this)({"info", SD_TEST_DATA "/tiny-v1.ckpt"}).code, 0);
  EXPECT_EQ((*this)({"txt2img", "--H", "500"}).code, 2);
  EXPECT_EQ((*this)({}).code, 2);
}

TEST_F(BinaryAlone, NamesWhatIsMissingToDraw) {
  const auto finished =
      (*this)({"txt2img", "--ckpt", SD_TEST_DATA "/tiny-v1.ckpt", "--outdir", folder_ / "out"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_NE(finished.err.find("libsd_engine.so"), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("scripts/setup.sh"), std::string::npos) << finished.err;
}

TEST(Info, DescribesCheckpoints) {
  const auto finished = run_sd({"info", "--json", SD_TEST_DATA "/tiny-v1.ckpt"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto json = nlohmann::json::parse(finished.out);
  EXPECT_EQ(json.at("kind"), "checkpoint");
  EXPECT_EQ(json.at("format"), "ckpt");
  EXPECT_EQ(json.at("config").at("unet").at("channels"), 32);
}

TEST(Info, GoesOnAfterAFileItCannotRead) {
  const auto finished = run_sd({"info", "absent.png", SD_TEST_DATA "/image/rgb.png"});
  EXPECT_EQ(finished.code, 3);
  EXPECT_NE(finished.err.find("absent.png does not exist"), std::string::npos) << finished.err;
  EXPECT_NE(finished.out.find("rgb.png"), std::string::npos) << finished.out;
}

}  // namespace
}  // namespace sd
