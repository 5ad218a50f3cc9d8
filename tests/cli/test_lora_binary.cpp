// LoRAs through the binary on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/metadata.h"
#include "sd/networks/network.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Names = std::vector<std::string>;

constexpr const char* kFolder = SD_TEST_DATA "/networks";

class LoraRun : public TinyRun {
 public:
  test::Finished draw(Names arguments, const std::string& command = "txt2img",
                      const char* folder = kFolder) const {
    const Names small = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--steps", "2"};
    arguments.insert(arguments.end(), small.begin(), small.end());
    auto started = setup(arguments);
    started.arguments.front() = command;
    if (folder != nullptr) started.environment.emplace_back("SD_LORA_DIR", folder);
    return run_program(started);
  }
  /// The most that a value differs by between two pictures below the output folder.
  int difference(const std::string& one, const std::string& other) const {
    const auto a = read_image(outdir() / one).pixels, b = read_image(outdir() / other).pixels;
    int most = a.size() == b.size() ? 0 : 256;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
    return most;
  }
  /// Draws by the command line that `sd info --as-args` printed.
  test::Finished repeat(const std::string& told) const {
    test::ProcessSetup shell;
    shell.binary = "/bin/sh";
    shell.arguments = {"-c", "PATH=\"$SD_FOLDER:$PATH\"; " + told.substr(0, told.find('\n')) +
                                 " --outdir " + outdir().string()};
    shell.environment = {{"SD_LORA_DIR", kFolder},
                         {"SD_FOLDER", std::filesystem::path(SD_BINARY).parent_path().string()},
                         {"XDG_CACHE_HOME", path("cache").string()}};
    return run_program(shell);
  }
  PictureMetadata metadata(const std::string& name) const {
    return read_metadata(outdir() / "samples" / name);
  }
};

TEST(LoraBinary, OptionsAndTagsAskForTheSame) {
  const LoraRun run;
  EXPECT_EQ(run.draw({"--prompt", "a cat"}).code, 0);
  EXPECT_EQ(run.draw({"--prompt", "a cat", "--lora", "ink:0.8"}).code, 0);
  EXPECT_EQ(run.draw({"--prompt", "a cat<lora:ink:0.8>"}).code, 0);
  EXPECT_EQ(run.draw({"--prompt", "a cat", "--lora", std::string(kFolder) + "/ink.safetensors:0.8"},
                     "txt2img", nullptr)
                .code,
            0);
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_EQ(run.sample("00002.png").pixels, run.sample("00001.png").pixels);
  EXPECT_EQ(run.sample("00003.png").pixels, run.sample("00001.png").pixels);
}

TEST(LoraBinary, SaysWhatFits) {
  const LoraRun run;
  const auto finished = run.draw({"--prompt", "a cat", "--lora", "line", "--lora", "ink"});
  EXPECT_TRUE(contains(finished.err, " modules, rank 1, UNet")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "lora ink: ")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "rank 1, text encoder and UNet")) << finished.err;
}

TEST(LoraBinary, AtWeightZeroItChangesNoByte) {
  const LoraRun run;
  ASSERT_EQ(run.draw({"--prompt", "a cat"}).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--lora", "ink:0"}).code, 0);
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

TEST(LoraBinary, PicturesSayWhichAndHowToDrawThemAgain) {
  const LoraRun run;
  ASSERT_EQ(run.draw({"--prompt", "a cat <lora:ink:0.5>", "--lora", "line:0.25:lbw=OUTALL"}).code,
            0);
  const auto parameters = run.metadata("00000.png").parameters.value_or("");
  const auto hash = network_hash(std::string(kFolder) + "/ink.safetensors").substr(0, 12);
  EXPECT_TRUE(contains(parameters, "Lora hashes: \"ink: " + hash + ", line: ")) << parameters;
  EXPECT_TRUE(contains(parameters, "Lora: \"line:0.25:lbw=OUTALL\"")) << parameters;
  auto asked = run.setup({});
  asked.arguments = {"info", "--as-args", run.sample_path(0).string()};
  asked.environment.emplace_back("SD_LORA_DIR", kFolder);
  const auto told = run_program(asked);
  EXPECT_TRUE(contains(told.out, "--lora 'line:0.25:lbw=OUTALL'")) << told.out;
  EXPECT_FALSE(contains(told.err, "LoRA")) << told.err;
  ASSERT_EQ(run.repeat(told.out).code, 0);
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

TEST(LoraBinary, PicturesOfAnotherFileSaySo) {
  const LoraRun run;
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--lora", "ink"}).code, 0);
  std::filesystem::create_directory(run.path("other"));
  std::filesystem::copy_file(std::string(kFolder) + "/line.safetensors",
                             run.path("other/ink.safetensors"));
  auto asked = run.setup({});
  asked.arguments = {"info", "--as-args", run.sample_path(0).string()};
  asked.environment.emplace_back("SD_LORA_DIR", run.path("other").string());
  EXPECT_TRUE(contains(run_program(asked).err, "is another file than then"));
}

TEST(LoraBinary, ATargetHasItsOwn) {
  const LoraRun run;
  const Names swap = {"--sprompt", "a red cat", "--prompt", "a red dog"};
  ASSERT_EQ(run.draw(swap, "swap").code, 0);
  auto with = swap;
  with.insert(with.end(), {"--target-lora", "ink"});
  ASSERT_EQ(run.draw(with, "swap").code, 0);
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_LE(run.difference("source/00000.png", "source/00001.png"), 1);
  EXPECT_EQ(run.draw({"--prompt", "a cat", "--target-lora", "ink"}).code, 2);  // no such option
}

TEST(LoraBinary, ListsHaveThemLineByLine) {
  const LoraRun run;
  const auto list = run.file("list.txt", "a cat\na cat <lora:ink:1>\na cat <lora:line:0.5>\n");
  ASSERT_EQ(run.draw({"--from-file", list, "--seed-mode", "image"}).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--lora", "ink:1", "--seed", "43"}).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--lora", "line:0.5", "--seed", "44"}).code, 0);
  // Beside the layers, sums are rounded otherwise than merged.
  EXPECT_LE(run.difference("samples/00001.png", "samples/00003.png"), 1);
  EXPECT_LE(run.difference("samples/00002.png", "samples/00004.png"), 1);
}

TEST(LoraBinary, PromptsOfABatchHaveThemEach) {
  const LoraRun run;
  ASSERT_EQ(run.draw({"--prompt", "a cat {<lora:ink:1>|<lora:line:0.5>}", "--combinations"}).code,
            0);
  ASSERT_EQ(run.draw({"--prompt", "a cat ", "--lora", "ink:1"}).code, 0);
  EXPECT_LE(run.difference("samples/00000.png", "samples/00002.png"), 1);
  EXPECT_GT(run.difference("samples/00001.png", "samples/00000.png"), 1);
}

TEST(LoraBinary, UnknownNamesAreSuggested) {
  const LoraRun run;
  const auto typed = run.draw({"--prompt", "a cat", "--lora", "imk"});
  EXPECT_EQ(typed.code, 5);
  EXPECT_TRUE(contains(typed.err, "Did you mean 'ink'?")) << typed.err;
  const auto tagged = run.draw({"--prompt", "a cat <lora:imk:1>"});
  EXPECT_EQ(tagged.code, 5);
  EXPECT_TRUE(contains(tagged.err, "<lora:imk:1>")) << tagged.err;
  const auto lost = run.draw({"--prompt", "a cat <lora:ink:1>"}, "txt2img", nullptr);
  EXPECT_EQ(lost.code, 5);
  EXPECT_TRUE(contains(lost.err, "SD_LORA_DIR")) << lost.err;
}

/// The tiny model with a LoRA in `loras` beside it.
class ModelWithLoras {
 public:
  explicit ModelWithLoras(const LoraRun& run) : model_(run.path("model/tiny.ckpt")) {
    std::filesystem::create_directories(run.path("model/loras/styles"));
    for (const char* ending : {".ckpt", ".yaml"})
      std::filesystem::copy_file(std::string(SD_TEST_DATA "/tiny-v1") + ending,
                                 run.path(std::string("model/tiny") + ending));
    std::filesystem::copy_file(std::string(kFolder) + "/ink.safetensors",
                               run.path("model/loras/styles/own.safetensors"));
    std::filesystem::copy_file(std::string(kFolder) + "/line.safetensors",
                               run.path("model/loras/ink.safetensors"));
  }
  std::string path() const { return model_; }

 private:
  std::string model_;
};

TEST(LoraBinary, TheFolderBesideTheModelIsLookedInBehindTheOneOfTheVariable) {
  const LoraRun run;
  const ModelWithLoras model(run);
  const auto draw = [&](const std::string& ckpt, const std::string& lora, const char* folder) {
    const auto finished =
        run.draw({"--ckpt", ckpt, "--prompt", "a cat", "--lora", lora}, "txt2img", folder);
    EXPECT_EQ(finished.code, 0) << finished.err;
  };
  const std::string plain = SD_TEST_DATA "/tiny-v1.ckpt";
  draw(plain, "ink", kFolder);
  draw(model.path(), "own", nullptr);
  draw(model.path(), "ink", kFolder);
  draw(plain, "line", kFolder);
  draw(model.path(), "ink", nullptr);
  const auto pixels = [&](int i) { return run.sample("0000" + std::to_string(i) + ".png").pixels; };
  EXPECT_EQ(pixels(1), pixels(0));
  EXPECT_EQ(pixels(2), pixels(0));
  EXPECT_EQ(pixels(4), pixels(3));
  EXPECT_NE(pixels(3), pixels(0));
  auto asked = run.setup({});
  asked.arguments = {"info", "--as-args", run.sample_path(4).string()};
  EXPECT_FALSE(contains(run_program(asked).err, "LoRA"));
  const auto lost =
      run.draw({"--ckpt", model.path(), "--prompt", "a cat", "--lora", "owm"}, "txt2img", nullptr);
  EXPECT_EQ(lost.code, 5);
  EXPECT_TRUE(contains(lost.err, "Did you mean 'own'?")) << lost.err;
}

TEST(LoraBinary, ATagOpensNoPath) {
  const LoraRun run;
  const auto finished =
      run.draw({"--prompt", "a cat <lora:" + std::string(kFolder) + "/ink.safetensors:1>"});
  EXPECT_EQ(finished.code, 5) << finished.err;
}

TEST(LoraBinary, TheNameOfItsTrainingFindsItToo) {
  const LoraRun run;
  EXPECT_EQ(run.draw({"--prompt", "a cat", "--lora", "wet ink:0.5"}).code, 0);
}

TEST(LoraBinary, OneThatIsGivenAsModelIsToldWhereItBelongs) {
  const LoraRun run;
  const auto finished =
      run.draw({"--prompt", "a cat", "--ckpt", std::string(kFolder) + "/ink.safetensors"});
  EXPECT_EQ(finished.code, 4);
  EXPECT_TRUE(contains(finished.err, "--lora")) << finished.err;
}

TEST(LoraBinary, AModelThatIsGivenAsLoraIsNamed) {
  const LoraRun run;
  const auto finished = run.draw({"--prompt", "a cat", "--lora", SD_TEST_DATA "/tiny-v1.ckpt"});
  EXPECT_EQ(finished.code, 4);
  EXPECT_TRUE(contains(finished.err, "Stable Diffusion v1")) << finished.err;
}

TEST(LoraBinary, TagsInANegativePromptAreLeftOutAndSaidSo) {
  const LoraRun run;
  const auto finished = run.draw({"--prompt", "a cat", "--negative-prompt", "bad <lora:ink:1>"});
  EXPECT_EQ(finished.code, 0);
  EXPECT_TRUE(contains(finished.err, "<lora:ink:1>")) << finished.err;
}

TEST(LoraBinary, CellsOfAGridMayHaveDifferentOnes) {
  const LoraRun run;
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--grid", "lora=ink:0,ink:1"}).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--lora", "ink:1"}).code, 0);
  EXPECT_LE(run.difference("samples/00001.png", "samples/00002.png"), 1);
}

}  // namespace
}  // namespace sd
