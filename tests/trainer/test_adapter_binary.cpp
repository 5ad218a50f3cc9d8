// `sd-train lora` and `sd-train embedding` on the tiny model, as processes.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "cli/sd_process.h"
#include "trainer/picture_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::Finished;
using Words = std::vector<std::string>;

class AdapterBinary : public ::testing::Test {
 protected:
  AdapterBinary() { train::write_pictures(folder / "data", 3, "a thing"); }

  /// Later options win over those of the test.
  test::ProcessSetup setup(const std::string& command, const Words& more) const {
    test::ProcessSetup made;
    made.binary = fs::path(SD_BINARY).parent_path() / "sd-train";
    made.arguments = {command,
                      "--model",
                      SD_TEST_DATA "/tiny-v1.ckpt",
                      "--config",
                      SD_TEST_DATA "/tiny-v1.yaml",
                      "--data",
                      folder / "data",
                      "--out",
                      out(),
                      "--steps",
                      "6",
                      "--batch",
                      "2",
                      "--threads",
                      "1",
                      "--dtype",
                      "f32",
                      "--resolution",
                      "64"};
    if (command == "embedding") {
      made.arguments.insert(made.arguments.end(),
                            {"--word", "thing", "--init", "cat", "--vectors", "2"});
    } else {
      made.arguments.insert(made.arguments.end(),
                            {"--rank", "2", "--learning-rate", "1e-2", "--text-encoder", "--conv"});
    }
    made.arguments.insert(made.arguments.end(), more.begin(), more.end());
    return made;
  }
  Finished train(const std::string& command, const Words& more = {}) const {
    return test::run_program(setup(command, more));
  }
  fs::path out() const { return folder / "new/ink.safetensors"; }

  /// The same command killed after its first step, run to its end.
  void kill_and_finish(const std::string& command, const fs::path& killed) {
    const Words more = {"--out", killed, "--state-every", "0", "--steps", "40"};
    const auto state =
        fs::path(killed).replace_extension(".training") / (command + ".state.safetensors");
    {
      test::Process running(setup(command, more));
      ASSERT_TRUE(running.wait_until([&] { return fs::exists(state); }));
      running.signal(SIGKILL);
      running.wait();
    }
    ASSERT_FALSE(fs::exists(killed)) << "it was too quick to be killed";
    const auto finished = train(command, more);
    ASSERT_EQ(finished.code, 0) << finished.err;
    EXPECT_NE(finished.err.find("going on from"), std::string::npos) << finished.err;
  }

  Words drawn(const Words& more) const {
    Words words = {"txt2img",
                   "--ckpt",
                   SD_TEST_DATA "/tiny-v1.ckpt",
                   "--config",
                   SD_TEST_DATA "/tiny-v1.yaml",
                   "--prompt",
                   "a thing",
                   "--H",
                   "64",
                   "--W",
                   "64",
                   "--steps",
                   "2",
                   "--n_iter",
                   "1",
                   "--skip_grid",
                   "--outdir",
                   folder / ("pictures" + std::to_string(more.size()))};
    words.insert(words.end(), more.begin(), more.end());
    const auto finished = test::run_sd(words);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return finished.lines();
  }

  test::TempFolder folder;
};

TEST_F(AdapterBinary, TrainsALoraThatSdDrawsWith) {
  const auto finished = train("lora", {"--save-every", "4"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.lines(), Words{out()});
  EXPECT_TRUE(fs::exists(folder / "new/ink-000004.safetensors"));
  EXPECT_TRUE(fs::exists(folder / "new/ink.training/log.jsonl"));
  const auto told = test::run_sd({"info", out()});
  EXPECT_NE(told.out.find("LoCon"), std::string::npos) << told.out;
  const auto with = drawn({"--lora", out()}), without = drawn({});
  EXPECT_NE(test::read_text(with.front()), test::read_text(without.front()));
}

TEST_F(AdapterBinary, TrainsAWordThatSdDraws) {
  const auto finished = train("embedding", {"--learning-rate", "0.5"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto word = folder / "new/thing.safetensors";
  fs::rename(out(), word);
  const auto with = drawn({"--embedding", word}), without = drawn({});
  EXPECT_NE(test::read_text(with.front()), test::read_text(without.front()));
}

TEST_F(AdapterBinary, KilledItGoesOnToTheSameBytes) {
  for (const char* command : {"lora", "embedding"}) {
    const auto whole = folder / (std::string(command) + "/ink.safetensors");
    ASSERT_EQ(train(command, {"--out", whole, "--steps", "40"}).code, 0);
    const auto killed = folder / (std::string(command) + "-killed/ink.safetensors");
    kill_and_finish(command, killed);
    EXPECT_TRUE(test::read_text(whole) == test::read_text(killed)) << command;
  }
}

TEST_F(AdapterBinary, InterruptedItSaysHowToGoOn) {
  test::Process running(setup("lora", {"--steps", "1000000", "--state-every", "0"}));
  ASSERT_TRUE(running.wait_until(
      [&] { return fs::exists(folder / "new/ink.training/lora.state.safetensors"); }));
  running.signal(SIGINT);
  const auto finished = running.wait();
  EXPECT_EQ(finished.code, 130) << finished.err;
  EXPECT_NE(finished.err.find("the same command goes on from here"), std::string::npos);
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(AdapterBinary, AFinishedRunWritesItsFileAgain) {
  ASSERT_EQ(train("lora").code, 0);
  const auto first = test::read_text(out());
  fs::remove(out());
  ASSERT_EQ(train("lora").code, 0);
  EXPECT_TRUE(test::read_text(out()) == first);
}

TEST_F(AdapterBinary, AStateOfOtherSettingsPicturesOrModelIsRefused) {
  ASSERT_EQ(train("lora").code, 0);
  const auto expect_refused = [&](const Words& more, const char* what) {
    const auto finished = train("lora", more);
    EXPECT_EQ(finished.code, 4) << finished.err;
    EXPECT_NE(finished.err.find("other settings"), std::string::npos) << finished.err;
    EXPECT_NE(finished.err.find(what), std::string::npos) << finished.err;
  };
  expect_refused({"--rank", "1"}, "rank: 2 there, 1 here");
  expect_refused({"--learning-rate", "2e-2"}, "learning-rate: 0.01 there, 0.02 here");
  expect_refused({"--model", SD_SOURCE_DIR "/models/demo", "--config",
                  SD_SOURCE_DIR "/models/demo/model.yaml"},
                 "model: ");
  test::write_text(folder / "data/1.txt", "something else");
  expect_refused({}, "pictures: ");
}

TEST_F(AdapterBinary, NothingThatIsThereIsOverwritten) {
  fs::create_directories(folder / "new");
  test::write_text(out(), "mine");
  const auto finished = train("lora");
  EXPECT_EQ(finished.code, 5) << finished.err;
  EXPECT_EQ(test::read_text(out()), "mine");
}

TEST_F(AdapterBinary, PriorPicturesAreLearntWith) {
  train::write_pictures(folder / "prior", 2, "another");
  const auto finished = train("lora", {"--prior", folder / "prior"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto with = test::read_text(out());
  fs::remove_all(folder / "new");
  ASSERT_EQ(train("lora").code, 0);
  EXPECT_TRUE(test::read_text(out()) != with);
}

TEST_F(AdapterBinary, BadInputIsNamed) {
  fs::create_directories(folder / "empty");
  train::write_pictures(folder / "bare", 1);
  fs::remove(folder / "bare/0.txt");
  train::write_pictures(folder / "damaged", 1);
  test::write_text(folder / "damaged/0.png", "\x89PNG");
  struct Case {
    const char* command;
    Words more;
    int code;
    const char* said;
  };
  const std::vector<Case> cases = {
      {"lora", {"--data", folder / "empty"}, 2, "there are no pictures"},
      {"lora", {"--data", folder / "absent"}, 5, "found nothing"},
      {"lora", {"--data", folder / "bare"}, 2, "0.png: has no caption"},
      {"lora", {"--data", folder / "damaged"}, 5, "damaged/0.png"},
      {"lora", {"--rank", "0"}, 2, "--rank"},
      {"lora", {"--rank", "64"}, 2, "32 or less"},
      {"lora", {"--alpha", "nan"}, 2, "--alpha"},
      {"lora", {"--resolution", "100"}, 2, "--resolution 100: this model takes multiples of 32"},
      {"lora", {"--model", folder / "data/0.txt"}, 4, "0.txt"},
      {"lora", {"--out", folder / "ink.pt"}, 2, "ends in .safetensors"},
      {"lora", {"--debiased", "--min-snr", "5"}, 2, "--debiased and --min-snr"},
      {"lora", {"--learning-rate", "1e30"}, 2, "--learning-rate"},
      {"embedding", {"--word", "absent"}, 2, "lacks the word 'absent'"},
      {"embedding", {"--init", " "}, 2, "--init"},
      {"embedding", {"--word", ""}, 2, "--word"},
      {"embedding", {"--vectors", "76"}, 2, "--vectors"}};
  for (const auto& [command, more, code, said] : cases) {
    const auto finished = train(command, more);
    EXPECT_EQ(finished.code, code) << said << '\n' << finished.err;
    EXPECT_NE(finished.err.find(said), std::string::npos) << said << '\n' << finished.err;
    EXPECT_FALSE(fs::exists(out())) << said;
  }
  auto without = setup("lora", {});
  without.arguments = {"lora", "--data", folder / "data", "--out", out()};
  EXPECT_NE(test::run_program(without).err.find("--model PATH is needed"), std::string::npos);
}

}  // namespace
}  // namespace sd
