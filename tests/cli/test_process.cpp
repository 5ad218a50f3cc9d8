#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
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

TEST(StandardStreams, PicturesAreFinishedWhenTheReaderWentAwayAndTheExitCodeTells) {
  const TinyRun run;
  const auto list = run.file("tasks.jsonl", "{\"prompt\": \"a cat\"}\n{\"prompt\": \"a dog\"}\n");
  for (const auto& [arguments, pictures] :
       std::vector<std::pair<std::vector<std::string>, std::size_t>>{
           {{"--n_samples", "2", "--n_iter", "1"}, 2u}, {{"--from-file", list}, 4u}}) {
    auto setup = run.setup(arguments);
    setup.stdout_closed = true;
    const auto finished = run_program(setup);
    EXPECT_EQ(finished.code, 5) << finished.err;
    EXPECT_TRUE(test::contains(finished.err, "could be delivered: standard output: Broken pipe"))
        << finished.err;
    EXPECT_EQ(run.samples().size(), pictures);
  }
  const auto again = run({"--from-file", list, "--resume"});
  EXPECT_TRUE(test::contains(again.err, "0 of 2 tasks done, 2 done before")) << again.err;
}

TEST(StandardStreams, EveryCommandTellsWhatItCouldNotDeliver) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--version"},
                                             {"help", "txt2img"},
                                             {"samplers"},
                                             {"info", SD_TEST_DATA "/image/rgb.png"}}) {
    for (const bool closed : {true, false}) {
      test::ProcessSetup setup;
      setup.arguments = arguments;
      setup.stdout_closed = closed;
      setup.stdout_path = "/dev/full";
      const auto finished = run_program(setup);
      EXPECT_EQ(finished.code, 5) << arguments.front();
      EXPECT_TRUE(test::contains(finished.err, "standard output: ")) << finished.err;
    }
  }
}

TEST(StandardStreams, ClosedOnesAreNotMistakenForTheJournal) {
  const TinyRun run;
  const auto list = run.file("tasks.jsonl", "{\"prompt\": \"a cat\"}\n");
  auto setup = run.setup({"--from-file", list});
  setup.closed_descriptors = {0, 1, 2};
  EXPECT_EQ(run_program(setup).code, 0);
  std::istringstream journal(test::read_text(run.outdir() / "tasks.jsonl"));
  std::vector<std::string> kinds;
  for (std::string line; std::getline(journal, line);)
    kinds.push_back(nlohmann::json::parse(line).at("kind"));
  EXPECT_EQ(kinds, (std::vector<std::string>{"tasks", "task"}));
  const auto again = run({"--from-file", list, "--resume"});
  EXPECT_TRUE(test::contains(again.err, "0 of 1 task done, 1 done before")) << again.err;
}

TEST(WorkingFolder, OneThatWasDeletedIsNamed) {
  const TinyRun run;
  const auto gone = run.path("gone");
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{run.setup({}).arguments,
                                             {"info", SD_TEST_DATA "/image/rgb.png"},
                                             {"doctor", "--torch"}}) {
    std::filesystem::create_directory(gone);
    auto setup = run.setup({});
    setup.arguments = arguments;
    setup.folder = gone;
    setup.folder_deleted = true;
    const auto finished = run_program(setup);
    EXPECT_EQ(finished.code, 5) << finished.err;
    EXPECT_TRUE(test::contains(finished.err, gone.string() + ": this working folder was deleted"))
        << finished.err;
    EXPECT_FALSE(test::contains(finished.err, "MKL")) << finished.err;
  }
}

TEST(FileLimit, EndsWithItsReasonAndLeavesNoTemporaryFile) {
  const TinyRun run;
  auto setup = run.setup({"--n_samples", "1", "--n_iter", "1"});
  setup.file_limit = 4096;
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 5) << finished.err;
  EXPECT_TRUE(test::contains(finished.err, "File too large")) << finished.err;
  EXPECT_TRUE(test::contains(finished.err, "ulimit -f")) << finished.err;
  EXPECT_TRUE(std::filesystem::is_empty(run.outdir() / "samples"));
}

TEST(FileLimit, TheJournalNamesItself) {
  const TinyRun run;
  auto setup = run.setup({"--from-file", run.file("tasks.jsonl", "{\"prompt\": \"a cat\"}\n")});
  setup.file_limit = 64;
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 5);
  EXPECT_EQ(run.samples().size(), 0u);
}

TEST(SpecialFiles, AreRefusedWhereFilesBelong) {
  const TinyRun run;
  const auto fifo = run.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::filesystem::create_directory(run.outdir());
  ASSERT_EQ(::mkfifo((run.outdir() / "tasks.jsonl").c_str(), 0600), 0);
  const auto list = run.file("list.jsonl", "{\"prompt\": \"a cat\"}\n");
  for (const auto& [arguments, part] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--ckpt", fifo}, "found a FIFO"},
           {{"--config", fifo}, "is not a file but a FIFO"},
           {{"--config", "/dev/zero"}, "is not a file but a device"},
           {{"--from-file", "/dev/zero"}, "is a device"},
           {{"--from-file", list}, "tasks.jsonl: expected a file, found a FIFO"}}) {
    const auto finished = run(arguments);
    EXPECT_EQ(finished.code, 5) << finished.err;
    EXPECT_TRUE(test::contains(finished.err, part)) << finished.err;
  }
}

TEST(SpecialFiles, AListThatIsWaitedForIsSaid) {
  const TinyRun run;
  const auto fifo = run.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::array<int, 2> said{};
  ASSERT_EQ(pipe(said.data()), 0);
  auto setup = run.setup({"--from-file", fifo, "--n_iter", "1"});
  setup.stderr_descriptor = said[1];
  Process process(setup);
  std::array<char, 200> text{};
  ASSERT_GT(read(said[0], text.data(), text.size() - 1), 0);  // before anybody writes
  EXPECT_TRUE(test::contains(text.data(), "waiting for the lines of " + fifo.string()));
  std::ofstream(fifo) << "a cat\n";
  EXPECT_EQ(process.wait().code, 0);
  EXPECT_EQ(run.samples().size(), 1u);
  for (const int end : said) close(end);
}

TEST(StandardStreams, ATerminalGetsAProgressLine) {
  const TinyRun run;
  const auto shown = run_on_terminal(run, "xterm", {"--n_samples", "1", "--n_iter", "1"});
  EXPECT_NE(shown.find("\rloading tiny-v1 ["), std::string::npos) << shown;
  EXPECT_NE(shown.find("picture 1 of 1 ["), std::string::npos) << shown;
  EXPECT_NE(shown.find(" steps/s, "), std::string::npos) << shown;
  // Behind what is said of the checkpoint before it is loaded.
  EXPECT_EQ(shown.find("\n", shown.find("\rloading")), std::string::npos)
      << "the line rewrites itself: " << shown;
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
