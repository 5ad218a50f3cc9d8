#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"

namespace sd {
namespace {

using test::contains;
using test::Finished;
using test::image_lines;
using test::run_sd;
using test::TinyRun;
using Names = std::vector<std::string>;

std::string npy(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  const auto bytes = encode_npy(shape, values);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Start latents of the tiny model, the same wave in each row, `rows` of them.
std::vector<float> wave(int64_t rows) {
  std::vector<float> values(static_cast<std::size_t>(rows * 4 * 16 * 16));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i % 1024));
  return values;
}

TEST(Txt2ImgBinary, WritesPicturesAndGridAndPrintsTheirPaths) {
  const TinyRun run;
  const auto first = run({"--n_samples", "2", "--n_iter", "2"});
  ASSERT_EQ(first.code, 0) << first.err;
  const auto samples = run.outdir() / "samples";
  EXPECT_EQ(first.lines(),
            (Names{samples / "00000.png", samples / "00001.png", samples / "00002.png",
                   samples / "00003.png", run.outdir() / "grid-0000.png"}));
  EXPECT_EQ(run.samples(), (Names{"00000.png", "00001.png", "00002.png", "00003.png"}));
  const auto picture = run.sample("00000.png");
  EXPECT_EQ(picture.width, 128);
  EXPECT_EQ(picture.height, 128);
  const auto grid = read_image(run.outdir() / "grid-0000.png");
  EXPECT_EQ(grid.width, 2 + 2 * (128 + 2));
  EXPECT_EQ(grid.height, 2 + 2 * (128 + 2));

  const auto second = run({"--n_samples", "1", "--n_iter", "2"});
  EXPECT_EQ(second.lines(),
            (Names{samples / "00004.png", samples / "00005.png", run.outdir() / "grid-0001.png"}))
      << second.err;
}

TEST(Txt2ImgBinary, OnePictureHasNoGridBesideIt) {
  const TinyRun run;
  const auto alone = run({"--n_samples", "1", "--n_iter", "1"});
  EXPECT_EQ(alone.lines(), Names{run.outdir() / "samples/00000.png"}) << alone.err;
  EXPECT_FALSE(std::filesystem::exists(run.outdir() / "grid-0000.png"));
}

TEST(Txt2ImgBinary, AGridOfDifferentPromptsIsLabelledAndFilled) {
  const TinyRun run;
  ASSERT_EQ(run({"--prompt", "a {red|green|blue} {cat|dog}", "--combinations", "--n_samples", "1",
                 "--n_iter", "1", "--skip_save"})
                .code,
            0);
  const auto grid = read_image(run.outdir() / "grid-0000.png");
  EXPECT_EQ(grid.width, 8 + 3 * (128 + 8));            // columns that fit, not --n_samples
  EXPECT_GT(grid.height, 8 + 2 * (128 + 8) + 2 * 16);  // room for words below each
}

TEST(Txt2ImgBinary, SkipsWhatItIsToldToSkip) {
  const TinyRun run;
  EXPECT_EQ(run({"--n_samples", "1", "--n_iter", "1", "--skip_grid"}).lines(),
            Names{run.outdir() / "samples/00000.png"});
  EXPECT_EQ(run({"--n_samples", "1", "--n_iter", "1", "--skip_save"}).lines(),
            Names{run.outdir() / "grid-0000.png"});
  EXPECT_EQ(run.samples(), Names{"00000.png"});
}

TEST(Txt2ImgBinary, SaysOneLineAPictureWhereThereIsNoTerminal) {
  const TinyRun run;
  const auto finished = run({"--prompt", "a red circle", "--n_samples", "2", "--n_iter", "1"});
  EXPECT_TRUE(contains(finished.err, "sd: picture 1 of 2 ")) << finished.err;
  EXPECT_TRUE(contains(finished.err, ": a red circle\n")) << finished.err;
  EXPECT_FALSE(contains(finished.err, "\r")) << finished.err;
}

TEST(Txt2ImgBinary, IsSilentWhenAsked) {
  const TinyRun run;
  const auto finished = run({"--n_samples", "1", "--n_iter", "1", "-q"});
  EXPECT_EQ(finished.code, 0);
  EXPECT_EQ(finished.err, "");
}

TEST(Txt2ImgBinary, WritesAJsonLineAPicture) {
  const TinyRun run;
  const auto finished =
      run({"--n_samples", "1", "--n_iter", "2", "--json", "--seed", "7", "--plms"});
  const auto images = image_lines(finished);
  ASSERT_EQ(images.size(), 2u) << finished.err;
  EXPECT_EQ(images[1].at("path"), (run.outdir() / "samples/00001.png").string());
  EXPECT_EQ(images[1].at("seed"), 7);
  EXPECT_EQ(images[1].at("sampler"), "plms");
  EXPECT_EQ(images[1].at("run").at("iteration"), 1);
  EXPECT_EQ(images[1].at("width"), 128);
  const auto grid = nlohmann::json::parse(finished.lines().back());
  EXPECT_EQ(grid.at("kind"), "grid");
  EXPECT_EQ(grid.at("pictures"), 2);
}

TEST(Txt2ImgBinary, SameSettingsGiveTheSamePictures) {
  const TinyRun run;
  for (int i = 0; i < 2; ++i)
    run({"--n_samples", "2", "--n_iter", "1", "--skip_grid", "--ddim_eta", "0.7"});
  ASSERT_EQ(run.samples().size(), 4u);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00002.png").pixels);
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00003.png").pixels);
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST(Txt2ImgBinary, LaterBatchesContinueTheNoise) {
  const TinyRun run;
  run({"--n_samples", "1", "--n_iter", "2", "--skip_grid"});
  ASSERT_EQ(run.samples().size(), 2u);
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST(Txt2ImgBinary, FixedCodeStartsEveryBatchAlike) {
  const TinyRun run;
  run({"--n_samples", "2", "--n_iter", "2", "--skip_grid", "--fixed_code"});
  ASSERT_EQ(run.samples().size(), 4u);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00002.png").pixels);
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST(Txt2ImgBinary, FormsBatchesOfAFileAsTheOriginalDoes) {
  const TinyRun run;
  const auto prompts = run.file("prompts.txt", "a cat\n# no prompt\n\na dog\na fox\n");
  const auto finished =
      run({"--from-file", prompts, "--n_samples", "2", "--n_iter", "2", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto images = image_lines(finished);
  ASSERT_EQ(images.size(), 6u);
  Names order;
  for (const auto& image : images) order.push_back(image.at("prompt"));
  EXPECT_EQ(order, (Names{"a cat", "a dog", "a fox", "a cat", "a dog", "a fox"}));
  EXPECT_EQ(images[1].at("run").at("batch_size"), 2);
  EXPECT_EQ(images[2].at("run").at("batch_size"), 1);
  EXPECT_EQ(images[2].at("run").at("prompt_line"), 5);
  EXPECT_EQ(images[5].at("run").at("batch"), 3);
}

TEST(Txt2ImgBinary, ReadsPromptsFromStandardInput) {
  const TinyRun run;
  auto setup = run.setup({"--from-file", "-", "--n_samples", "1", "--n_iter", "1", "--json"});
  setup.input = "a cat\na dog";
  EXPECT_EQ(image_lines(run_program(setup)).size(), 2u);
}

TEST(Txt2ImgBinary, ReportsABadLineAndDrawsTheRest) {
  const TinyRun run;
  const auto prompts = run.file("prompts.txt", "a cat\nbro\xFFken\na dog\n");
  const auto finished =
      run({"--from-file", prompts, "--n_samples", "1", "--n_iter", "1", "--skip_grid"});
  EXPECT_EQ(finished.code, 3) << finished.err;
  EXPECT_TRUE(contains(finished.err, "sd: line 2 is not UTF-8")) << finished.err;
  EXPECT_EQ(run.samples().size(), 2u);
}

TEST(Txt2ImgBinary, SavesTheFinalLatentsOfAllPictures) {
  const TinyRun run;
  const auto finished = run(
      {"--n_samples", "2", "--n_iter", "2", "--skip_grid", "--save-latents", run.path("latents")});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(read_npy(run.path("latents") / "latents.npy").shape,
            (std::vector<int64_t>{4, 4, 16, 16}));
}

TEST(Txt2ImgBinary, RepeatsTheRowsOfInitLatents) {
  const TinyRun run;
  const auto latents = run.file("start.npy", npy({1, 4, 16, 16}, wave(1)));
  run({"--n_samples", "2", "--n_iter", "1", "--skip_grid", "--init-latents", latents});
  ASSERT_EQ(run.samples().size(), 2u);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST(Txt2ImgBinary, RefusesInitLatentsOfAnotherSize) {
  const TinyRun run;
  const auto latents = run.file("start.npy", npy({1, 4, 16, 16}, wave(1)));
  const auto finished = run({"--W", "192", "--init-latents", latents});
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "has shape [1, 4, 16, 16], expected [N, 4, 16, 24]"))
      << finished.err;
}

TEST(Txt2ImgBinary, NanIsAnErrorThatNamesTheStageAndNeverAPicture) {
  const TinyRun run;
  auto values = wave(1);
  values[100] = std::numeric_limits<float>::quiet_NaN();
  const auto latents = run.file("start.npy", npy({1, 4, 16, 16}, values));
  const auto finished = run({"--init-latents", latents, "--n_samples", "1", "--n_iter", "1"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_TRUE(contains(finished.err, "start latents")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "NaN")) << finished.err;
  EXPECT_EQ(run.samples(), Names{});
  EXPECT_EQ(finished.out, "");
}

TEST(Txt2ImgBinary, AFailedBatchOfAFileDoesNotKeepTheOthersFromBeingDrawn) {
  const TinyRun run;
  auto values = wave(2);
  values[0] = std::numeric_limits<float>::infinity();  // first row only
  const auto latents = run.file("start.npy", npy({2, 4, 16, 16}, values));
  const auto prompts = run.file("prompts.txt", "a cat\na dog\n");
  const auto finished =
      run({"--from-file", prompts, "--init-latents", latents, "--n_samples", "1", "--n_iter", "1"});
  EXPECT_EQ(finished.code, 3) << finished.err;
  EXPECT_TRUE(contains(finished.err, "line 1: start latents")) << finished.err;
  EXPECT_EQ(run.samples(), Names{"00000.png"});
}

TEST(Txt2ImgBinary, SaysWhichWordsDoNotFit) {
  const TinyRun run;
  std::string prompt;
  for (int i = 0; i < 10'000; ++i) prompt += "word ";
  const auto finished = run({"--prompt", prompt, "--n_samples", "2", "--n_iter", "1"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  const std::string notice = "the prompt has 10000 tokens and the model reads 75";
  const auto at = finished.err.find(notice);
  ASSERT_NE(at, std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find(notice, at + 1), std::string::npos) << "said more than once";
}

TEST(Txt2ImgBinary, DrawsAnEmptyPrompt) {
  const TinyRun run;
  const auto finished = run({"--prompt", "", "--n_samples", "1", "--n_iter", "1"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples().size(), 1u);
}

TEST(Txt2ImgBinary, ItsPicturesTellTheirSettings) {
  const TinyRun run;
  run({"--prompt", "ein Haus, 雪", "--negative-prompt", "blurry", "--n_samples", "1", "--n_iter",
       "1", "--seed", "9"});
  const auto info = run_sd({"info", "--json", run.outdir() / "samples/00000.png"});
  ASSERT_EQ(info.code, 0) << info.err;
  const auto json = nlohmann::json::parse(info.out);
  const auto& parameters = json.at("parameters");
  EXPECT_EQ(parameters.at("prompt"), "ein Haus, 雪");
  EXPECT_EQ(parameters.at("negative_prompt"), "blurry");
  EXPECT_EQ(parameters.at("settings").at("Seed"), "9");
  EXPECT_EQ(parameters.at("settings").at("Model"), "tiny-v1");
  EXPECT_EQ(parameters.at("settings").at("Model hash").get<std::string>().size(), 10u);
  const auto& settings = json.at("texts").at("sd");
  EXPECT_EQ(settings.at("dtype"), "f32");
  EXPECT_EQ(settings.at("device"), "cpu");
  EXPECT_EQ(settings.at("config"), "tiny-v1.yaml");
  EXPECT_EQ(settings.at("steps"), 2);
}

TEST(Txt2ImgBinary, UsesTheDemoModelWhenNothingElseIsThere) {
  const TinyRun run;
  const test::TempFolder empty;
  std::filesystem::create_directory(empty / "models");
  std::filesystem::create_symlink(SD_SOURCE_DIR "/models/demo", empty / "models/demo");
  test::ProcessSetup setup;
  setup.folder = empty.path();
  setup.arguments = {"txt2img", "--outdir",     run.outdir(), "--n_samples", "1", "--n_iter",
                     "1",       "--ddim_steps", "1"};
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(contains(finished.err, "using the demo model in models/demo")) << finished.err;
  EXPECT_EQ(run.sample("00000.png").width, 128);
}

}  // namespace
}  // namespace sd
