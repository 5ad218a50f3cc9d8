// The LAION-400M model through the binary, beside what a Python model of the original's structure
// draws with the same weights (tests/tools/make_laion_fixture.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/sd_process.h"
#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/image/read.h"
#include "support/tiny_laion.h"
#include "weights/open_file.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using test::Finished;
using test::TinyLaion;
using test::TinyRun;

using Strings = std::vector<std::string>;

/// `given` with `more` behind it.
Strings joined(Strings given, const Strings& more) {
  given.insert(given.end(), more.begin(), more.end());
  return given;
}

std::vector<float> golden(const std::string& name) {
  const auto file = open_weight_file(fs::path(SD_TEST_DATA) / "goldens/laion.safetensors");
  const auto view = file.tensors->at(name);
  std::vector<float> values(view.bytes.size() / sizeof(float));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

/// max |a - b| / max |b|
double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = a.size() == b.size() ? 0 : INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return difference / largest;
}

/// One small LAION-400M model for all tests here.
const TinyLaion& model() {
  static const TinyLaion tiny;
  static const auto config = tiny.write_config("laion.yaml");
  return tiny;
}

/// Runs a command with that model: one picture of 128x128 pixels, four steps.
Finished run_command(const TinyRun& run, const std::string& command, const Strings& arguments) {
  auto setup = run.setup(joined({"--ckpt", model().checkpoint(), "--ddim_steps", "4", "--n_samples",
                                 "1", "--n_iter", "1", "--seed", "7"},
                                arguments));
  setup.arguments.front() = command;
  return run_program(setup);
}

TEST(LaionBinary, DdimDrawsWhatTheReferenceDraws) {
  const TinyRun run;
  const auto finished = run_command(
      run, "txt2img",
      {"--prompt", "a red circle above a blue square", "--save-latents", run.path("latents")});
  ASSERT_EQ(finished.code, 0) << finished.err;
  // Four steps of float32 arithmetic in another order.
  EXPECT_LT(relative_difference(read_npy(run.path("latents") / "latents.npy").values,
                                golden("ddim_latents")),
            1e-4);
}

TEST(LaionBinary, PlmsDrawsWhatTheReferenceDraws) {
  const TinyRun run;
  const auto finished =
      run_command(run, "txt2img",
                  {"--plms", "--prompt", "a photo of a Siberian tigerfish on a snowy mountain",
                   "--save-latents", run.path("latents")});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_LT(relative_difference(read_npy(run.path("latents") / "latents.npy").values,
                                golden("plms_latents")),
            1e-4);
}

TEST(LaionBinary, TheOptionFindsModelAndConfigurationWhereTheOriginalHasThem) {
  const TinyLaion placed("models/ldm/text2img-large/model.ckpt");
  placed.write_config("configs/latent-diffusion/txt2img-1p4B-eval.yaml");
  const TinyRun run;
  test::ProcessSetup setup;
  setup.folder = placed.folder();
  setup.arguments = {"txt2img",  "--laion400m", "--ddim_steps", "1",   "--n_samples", "1",
                     "--n_iter", "1",           "--device",     "cpu", "--threads",   "1",
                     "--json"};
  setup.environment = {{"XDG_CACHE_HOME", run.path("cache")}};
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_NE(finished.err.find("Falling back to LAION 400M model..."), std::string::npos);
  EXPECT_TRUE(fs::exists(placed.folder() / "outputs/txt2img-samples-laion400m/samples/00000.png"));
  const auto line = test::image_lines(finished).at(0);
  EXPECT_EQ(line.at("config"), "txt2img-1p4B-eval.yaml");
  EXPECT_EQ(line.at("width"), 128);  // image_size of that small configuration
}

TEST(LaionBinary, WeightsAloneTellTheModelAndItsSize) {
  const TinyLaion bare;
  const TinyRun run;
  test::ProcessSetup setup = run.setup({});
  setup.arguments = {"txt2img",  "--ckpt",      bare.checkpoint(),
                     "--outdir", run.outdir(),  "--ddim_steps",
                     "1",        "--n_samples", "1",
                     "--n_iter", "1",           "--device",
                     "cpu",      "--threads",   "1",
                     "--json"};
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = test::image_lines(finished).at(0);
  EXPECT_EQ(line.at("width"), 256);
  EXPECT_EQ(line.at("height"), 256);
}

TEST(LaionBinary, DryRunShowsWordPieces) {
  const TinyRun run;
  const auto finished = run_command(
      run, "swap", {"--dry-run", "--sprompt", "a red circle", "--prompt", "a Siberian tigerfish"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_NE(finished.out.find("[CLS]"), std::string::npos) << finished.out;
  EXPECT_NE(finished.out.find("##fish"), std::string::npos) << finished.out;
  EXPECT_EQ(finished.out.find("</w>"), std::string::npos) << finished.out;
}

TEST(LaionBinary, SwapDrawsBothAndTakesWordsOfSeveralPieces) {
  const TinyRun run;
  const auto finished =
      run_command(run, "swap",
                  {"--mode", "p2p", "--sprompt", "a photo of a circle", "--prompt",
                   "a photo of a tigerfish", "--cross-steps", "tigerfish=0:0.5", "--reweight",
                   "tigerfish=2", "--local-blend", "tigerfish"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples(), Strings{"00000.png"});
  EXPECT_TRUE(fs::exists(run.outdir() / "source/00000.png"));
}

TEST(LaionBinary, ASwapWithItselfIsTheSource) {
  const TinyRun run;
  const auto finished = run_command(
      run, "swap",
      {"--sprompt", "a tigerfish", "--prompt", "a tigerfish", "--save-latents", run.path("l")});
  ASSERT_EQ(finished.code, 0) << finished.err;
  // Explicit and fused attention round differently.
  EXPECT_LT(relative_difference(read_npy(run.path("l") / "latents.npy").values,
                                read_npy(run.path("l") / "source_latents.npy").values),
            1e-4);
}

TEST(LaionBinary, Img2ImgStartsFromAPicture) {
  const TinyRun run;
  ASSERT_EQ(run_command(run, "txt2img", {"--prompt", "a red circle"}).code, 0);
  const auto finished = run_command(run, "img2img",
                                    {"--prompt", "a blue square", "--init-img",
                                     run.outdir() / "samples/00000.png", "--strength", "0.5"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples(), (Strings{"00000.png", "00001.png"}));
}

TEST(LaionBinary, AttentionMapsAreOfWordPieces) {
  const TinyRun run;
  const auto finished = run_command(
      run, "attn",
      {"--prompt", "a Tigerfish, snowy", "--words", "tigerfish", "--attn-norm", "token"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto index = nlohmann::json::parse(test::read_text(run.outdir() / "attn/00000/index.json"));
  ASSERT_EQ(index.at("words").size(), 1U);
  EXPECT_EQ(index.at("words")[0].at("tokens"), (std::vector<int64_t>{2, 3}));
  Strings texts;
  for (std::size_t i = 0; i < 8; ++i) texts.push_back(index.at("tokens")[i].at("text"));
  EXPECT_EQ(texts, (Strings{"[CLS]", "a", "Tiger", "fish", ",", "snowy", "[SEP]", "[PAD]"}));
}

TEST(LaionBinary, AConfigurationOfAnotherModelIsRefused) {
  const TinyRun run;
  const auto finished = run_command(run, "txt2img", {"--config", SD_TEST_DATA "/tiny-v1.yaml"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_NE(finished.err.find("cond_stage_config.target: CLIP against BERT"), std::string::npos)
      << finished.err;
}

}  // namespace
}  // namespace sd::cli
