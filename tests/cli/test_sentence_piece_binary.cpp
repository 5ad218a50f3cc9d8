// A diffusers folder with a SentencePiece tokenizer through the binary: the half without LibTorch
// reads its words, the other one its prompts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/sd_process.h"
#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

const fs::path kFixture = fs::path(SD_TEST_DATA) / "sentencepiece";

/// tiny-v1 as a diffusers folder with that tokenizer.
class TinyJapanese {
 public:
  explicit TinyJapanese(const std::string& model_bytes = test::read_text(kFixture / "spiece.model"),
                        const std::string& kind = "T5Tokenizer") {
    fs::copy(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers", folder_ / "model",
             fs::copy_options::recursive);
    fs::create_directory(folder_ / "model/tokenizer");
    test::write_text(folder_ / "model/tokenizer/spiece.model", model_bytes);
    const nlohmann::json config = {{"tokenizer_class", kind}, {"do_lower_case", true},
                                   {"bos_token", "<s>"},      {"eos_token", {{"content", "</s>"}}},
                                   {"unk_token", "<unk>"},    {"pad_token", "[PAD]"},
                                   {"cls_token", "[CLS]"}};
    test::write_text(folder_ / "model/tokenizer/tokenizer_config.json", config.dump());
  }

  /// Runs a command with it: one picture of 128x128 pixels, four steps.
  test::Finished run(const std::string& command, const Strings& arguments) const {
    auto setup = run_.setup({"--ckpt", folder_ / "model", "--ddim_steps", "4", "--n_samples", "1",
                             "--n_iter", "1", "--seed", "7"});
    setup.arguments.front() = command;
    setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
    return run_program(setup);
  }

  const test::TinyRun& files() const { return run_; }

 private:
  test::TempFolder folder_;
  test::TinyRun run_;
};

TEST(SentencePieceBinary, DrawsWhatDiffusersDraws) {
  const TinyJapanese model;
  const auto latents = model.files().path("latents");
  const auto finished = model.run(
      "txt2img", {"--prompt", "\u96ea\u306e\u4e2d\u306e\u8d64\u3044\u732b\u3001Oil on canvas",
                  "--save-latents", latents});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto found = read_npy(latents / "latents.npy");
  const auto expected = read_npy(kFixture / "latents.npy");
  ASSERT_EQ(found.shape, expected.shape);
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    difference = std::max(difference, std::abs(double{found.values[i]} - expected.values[i]));
    largest = std::max(largest, std::abs(double{expected.values[i]}));
  }
  // Four steps of float32 arithmetic in another order.
  EXPECT_LT(difference / largest, 1e-4);
}

TEST(SentencePieceBinary, WordsAreFoundBeforeAnythingIsLoaded) {
  const TinyJapanese model;
  const auto finished = model.run("attn", {"--prompt", "a snow cat", "--words", "snow,dog"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_NE(finished.err.find("Words: a, snow, cat"), std::string::npos) << finished.err;
}

TEST(SentencePieceBinary, AttentionMapsBeginWithTheFirstPiece) {
  const TinyJapanese model;
  const auto finished =
      model.run("attn", {"--prompt", "a snow", "--words", "snow", "--attn-norm", "token"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto index =
      nlohmann::json::parse(test::read_text(model.files().outdir() / "attn/00000/index.json"));
  EXPECT_EQ(index.at("words")[0].at("tokens"), std::vector<int64_t>{1});
  EXPECT_EQ(index.at("tokens")[0].at("text"), "a");
  EXPECT_EQ(index.at("tokens")[2].at("text"), "</s>");
  EXPECT_EQ(index.at("tokens")[3].at("text"), "[PAD]");
}

TEST(SentencePieceBinary, SwapAlignsPieces) {
  const TinyJapanese model;
  const auto shown = model.run("swap", {"--dry-run", "--sprompt", "a snow", "--prompt", "a cat"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.out.find("\u2581snow"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("</s>"), std::string::npos) << shown.out;
  const auto drawn = model.run(
      "swap", {"--mode", "p2p", "--sprompt", "a snow", "--prompt", "a cat", "--reweight", "cat=2"});
  EXPECT_EQ(drawn.code, 0) << drawn.err;
}

TEST(SentencePieceBinary, ADamagedModelIsACheckpointError) {
  const TinyJapanese model("no model");
  for (const char* command : {"txt2img", "swap"}) {
    const auto finished = model.run(command, {"--prompt", "a cat"});
    EXPECT_EQ(finished.code, 4) << finished.err;
    EXPECT_NE(finished.err.find("spiece.model"), std::string::npos) << finished.err;
  }
}

TEST(SentencePieceBinary, OtherTokenizersWithSuchAFileAreNamed) {
  const TinyJapanese model(test::read_text(kFixture / "spiece.model"), "AlbertTokenizer");
  const auto finished = model.run("txt2img", {"--prompt", "a cat"});
  EXPECT_EQ(finished.code, 4);
  EXPECT_NE(finished.err.find("AlbertTokenizer"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace sd::cli
