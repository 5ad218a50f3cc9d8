// Textual inversion through the binary on the tiny model, whose text encoder is 32 wide.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/sha256.h"
#include "sd/image/metadata.h"
#include "support/embedding_bytes.h"

namespace sd {
namespace {

using test::contains;
using test::embedding_bytes;
using test::TinyRun;
using Names = std::vector<std::string>;

/// A run with embeddings in a folder of their own.
class EmbeddingRun : public TinyRun {
 public:
  EmbeddingRun() { std::filesystem::create_directories(path("words")); }

  std::string add(const std::string& name, int64_t vectors = 2, int64_t width = 32) const {
    return file("words/" + name + ".safetensors", embedding_bytes("emb_params", vectors, width));
  }
  test::Finished draw(Names arguments, bool folder, const std::string& command = "txt2img") const {
    const Names small = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--steps", "1"};
    arguments.insert(arguments.end(), small.begin(), small.end());
    auto started = setup(arguments);
    started.arguments.front() = command;
    if (folder) started.environment.emplace_back("SD_EMBEDDING_DIR", path("words").string());
    return run_program(started);
  }
  std::string parameters(const std::string& name) const {
    return read_metadata(outdir() / "samples" / name).parameters.value_or("");
  }
};

TEST(EmbeddingBinary, AWordIsFoundInTheFolderAndOnTheCommandLine) {
  const EmbeddingRun run;
  const auto ink = run.add("ink", 3);
  ASSERT_EQ(run.draw({"--prompt", "a cat, Ink"}, false).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat, Ink"}, true).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat, Ink", "--embedding", ink}, false).code, 0);
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_EQ(run.sample("00002.png").pixels, run.sample("00001.png").pixels);
  EXPECT_FALSE(contains(run.parameters("00000.png"), "TI hashes"));
  const auto hash = sha256_file(ink).substr(0, 12);
  EXPECT_TRUE(contains(run.parameters("00001.png"), "TI hashes: \"ink: " + hash + "\""))
      << run.parameters("00001.png");
}

TEST(EmbeddingBinary, NegativePromptsHaveThemToo) {
  const EmbeddingRun run;
  run.add("bad");
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--negative-prompt", "bad"}, false).code, 0);
  ASSERT_EQ(run.draw({"--prompt", "a cat", "--negative-prompt", "bad"}, true).code, 0);
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

TEST(EmbeddingBinary, OnlyThoseThatAPromptNamesAreRead) {
  const EmbeddingRun run;
  run.file("words/broken.pt", "no embedding");
  const auto finished = run.draw({"--prompt", "a cat"}, true);
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.draw({"--prompt", "a broken cat"}, true).code, 4);
}

TEST(EmbeddingBinary, APictureSaysHowToDrawItAgain) {
  const EmbeddingRun run;
  run.add("ink");
  ASSERT_EQ(run.draw({"--prompt", "(ink:1.2) cat"}, true).code, 0);
  auto setup = run.setup({});
  setup.arguments = {"info", "--as-args", run.sample_path(0).string()};
  setup.environment.emplace_back("SD_EMBEDDING_DIR", run.path("words").string());
  const auto asked = run_program(setup);
  EXPECT_FALSE(contains(asked.err, "embedding")) << asked.err;
  test::ProcessSetup shell;
  shell.binary = "/bin/sh";
  shell.arguments = {"-c", "PATH=\"$SD_FOLDER:$PATH\"; cd " + run.path("").string() + "; " +
                               asked.out.substr(0, asked.out.find('\n')) + " --outdir again"};
  shell.environment = setup.environment;
  shell.environment.emplace_back("SD_FOLDER",
                                 std::filesystem::path(SD_BINARY).parent_path().string());
  const auto again = run_program(shell);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(test::read_text(run.path("again/samples/00000.png")),
            test::read_text(run.sample_path(0)));

  run.add("ink", 4);  // another one of that name
  EXPECT_TRUE(contains(run_program(setup).err, "the embedding 'ink'"));
  std::filesystem::remove(run.path("words/ink.safetensors"));
  EXPECT_TRUE(contains(run_program(setup).err, "the embedding 'ink' is not here"));
}

TEST(EmbeddingBinary, ControlsTakeItForOneWord) {
  const EmbeddingRun run;
  run.add("bad.style", 3);
  ASSERT_EQ(run.draw({"--prompt", "a bad.style cat"}, true).code, 0);
  const auto weighed = run.draw({"--prompt", "a bad.style cat", "--reweight", "bad.style=5"}, true);
  ASSERT_EQ(weighed.code, 0) << weighed.err;
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  const auto maps = run.draw(
      {"--prompt", "a bad.style cat", "--words", "bad.style", "--attn", run.path("maps").string()},
      true, "attn");
  EXPECT_EQ(maps.code, 0) << maps.err;
  const auto swap = run.draw({"--sprompt", "a red cat", "--prompt", "a bad.style cat", "--dry-run"},
                             true, "swap");
  EXPECT_EQ(swap.code, 0) << swap.err;
  EXPECT_TRUE(contains(swap.out, "bad.style")) << swap.out;
}

TEST(EmbeddingBinary, ACellOfAGridSpeaksOfItsOwn) {
  const EmbeddingRun run;
  run.add("ink");
  const auto finished =
      run.draw({"--prompt", "a cat", "--grid", "negative-prompt=ink,blurry", "--json"}, true);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = test::image_lines(finished);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("embeddings").at(0).at("name"), "ink");
  EXPECT_FALSE(lines[1].contains("embeddings"));
}

TEST(EmbeddingBinary, WhatCannotBeUsedIsSaid) {
  const EmbeddingRun run;
  const auto missing = run.draw({"--prompt", "a cat", "--embedding", "nowhere.pt"}, false);
  EXPECT_EQ(missing.code, 5);
  EXPECT_TRUE(contains(missing.err, "--embedding: nowhere.pt")) << missing.err;
  const auto wide = run.add("wide", 1, 768);
  const auto other = run.draw({"--prompt", "wide", "--embedding", wide}, false);
  EXPECT_EQ(other.code, 4);
  EXPECT_TRUE(contains(other.err, "768 (Stable Diffusion v1)")) << other.err;
  EXPECT_TRUE(contains(other.err, "32")) << other.err;
  const auto unused = run.draw({"--prompt", "a cat", "--embedding", run.add("ink")}, false);
  EXPECT_EQ(unused.code, 0);
  EXPECT_TRUE(contains(unused.err, "'ink' stands in no prompt")) << unused.err;
  const auto model = run.draw({"--prompt", "a cat", "--ckpt", run.add("ink")}, false);
  EXPECT_EQ(model.code, 4);
  EXPECT_TRUE(contains(model.err, "--embedding")) << model.err;
}

TEST(EmbeddingBinary, InfoDescribesOne) {
  const EmbeddingRun run;
  const auto file = run.file("words/a.safetensors", embedding_bytes("<toy>", 8, 768));
  const auto finished = test::run_sd({"info", file});
  EXPECT_EQ(finished.code, 0) << finished.err;
  for (const char* part : {"kind: embedding", "token: <toy>", "vectors: 8", "width: 768",
                           "family: Stable Diffusion v1"})
    EXPECT_TRUE(contains(finished.out, part)) << part << "\n" << finished.out;
}

}  // namespace
}  // namespace sd
