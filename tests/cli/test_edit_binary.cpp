// `sd img2img`, `sd swap` and reweighting through the binary, on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/image/png.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::Finished;
using test::image_lines;
using test::TinyRun;
using Names = std::vector<std::string>;

/// A picture with a soft pattern, 1, 3 or 4 channels.
Image pattern(int64_t width, int64_t height, int64_t channels = 3) {
  Image image{width, height, channels, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        image.pixels.push_back(static_cast<uint8_t>((x * 3 + y * 5 + c * 40) % 256));
      }
    }
  }
  return image;
}

/// White in the right half.
Image half_mask(int64_t side) {
  Image mask{side, side, 1, {}};
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) mask.pixels.push_back(x < side / 2 ? 0 : 255);
  }
  return mask;
}

class EditBinary : public ::testing::Test {
 protected:
  std::string picture(const std::string& name, const Image& image) const {
    const auto png = encode_png(image);
    return run.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  }
  Finished command(const std::string& name, const Names& arguments, bool sized = true) const {
    auto setup = run.setup(arguments);
    setup.arguments.front() = name;
    if (!sized)
      std::erase_if(setup.arguments, [](const auto& word) {
        return word == "--H" || word == "--W" || word == "128";
      });
    return test::run_program(setup);
  }
  static std::vector<float> latents(const fs::path& path) { return read_npy(path).values; }
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double most = a.size() == b.size() ? 0 : 1e9;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    }
    return most;
  }

  TinyRun run;
};

TEST_F(EditBinary, Img2ImgDrawsOverAPictureInItsOwnSize) {
  const auto start = picture("start.png", pattern(150, 200));
  const auto finished = command("img2img", {"--init-img", start, "--ddim_steps", "4"}, false);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples(), (Names{"00000.png", "00001.png"}));
  EXPECT_EQ(run.sample("00000.png").width, 128);
  EXPECT_EQ(run.sample("00000.png").height, 192);
  EXPECT_TRUE(contains(finished.err, "150x200 is drawn as 128x192")) << finished.err;
  const auto info = test::run_sd({"info", "--json", run.outdir() / "samples/00000.png"});
  const auto json = nlohmann::json::parse(info.out);
  EXPECT_EQ(json.at("parameters").at("settings").at("Denoising strength"), "0.75");
  EXPECT_EQ(json.at("texts").at("sd").at("command"), "img2img");
  EXPECT_EQ(json.at("texts").at("sd").at("input").at("init_img"), "start.png");
}

TEST_F(EditBinary, StrengthZeroIsTheAutoencodersRoundTripWhateverThePrompt) {
  const auto start = picture("start.png", pattern(128, 128));
  for (const char* prompt : {"a cat", "a dog"}) {
    ASSERT_EQ(command("img2img", {"--init-img", start, "--strength", "0", "--prompt", prompt,
                                  "--n_samples", "1", "--skip_grid"})
                  .code,
              0);
  }
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST_F(EditBinary, StrengthAndSamplerMatter) {
  const auto start = picture("start.png", pattern(128, 128));
  const Names common = {"--init-img",   start, "--n_samples", "1", "--skip_grid",
                        "--ddim_steps", "4"};
  for (const Names& more : {Names{"--strength", "0.5"}, Names{"--strength", "1"},
                            Names{"--strength", "0.5", "--plms"}}) {
    auto arguments = common;
    arguments.insert(arguments.end(), more.begin(), more.end());
    ASSERT_EQ(command("img2img", arguments).code, 0);
  }
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00002.png").pixels);
}

TEST_F(EditBinary, AMaskedEditKeepsTheOtherPixelsToTheByte) {
  const auto original = pattern(128, 128);
  const auto start = picture("start.png", original);
  const auto mask = picture("mask.png", half_mask(64));  // resized, and said
  const auto finished = command(
      "img2img", {"--init-img", start, "--init-mask", mask, "--n_samples", "1", "--skip_grid"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(contains(finished.err, "--init-mask: 64x64 is resized to 128x128")) << finished.err;
  const auto drawn = run.sample("00000.png");
  int64_t changed = 0;
  for (int64_t y = 0; y < 128; ++y) {
    for (int64_t x = 0; x < 128; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const auto at = static_cast<std::size_t>((y * 128 + x) * 3 + c);
        if (x < 60) {
          ASSERT_EQ(drawn.pixels[at], original.pixels[at]) << x << "," << y;
        }
        if (x > 68 && drawn.pixels[at] != original.pixels[at]) ++changed;
      }
    }
  }
  EXPECT_GT(changed, 10000);

  ASSERT_EQ(command("img2img", {"--init-img", start, "--init-mask", mask, "--invert-mask",
                                "--n_samples", "1", "--skip_grid"})
                .code,
            0);
  const auto inverted = run.sample("00001.png");
  EXPECT_EQ(inverted.pixels[127 * 3], original.pixels[127 * 3]);
  EXPECT_NE(inverted.pixels, drawn.pixels);
}

TEST_F(EditBinary, OnePixelIsEnoughToStartFrom) {
  const auto start = picture("dot.png", pattern(1, 1));
  const auto finished = command("img2img", {"--init-img", start, "--n_samples", "1"}, false);
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.sample("00000.png").width, 64);
}

TEST_F(EditBinary, SwapWritesTargetsSourcesGridsAndASheet) {
  const auto finished =
      command("swap", {"--sprompt", "a red/green circle", "--prompt", "a blue circle"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  for (const char* name :
       {"samples/00000.png", "samples/00001.png", "source/00000.png", "source/00001.png",
        "a_blue_circle_tar.png", "a_red_green_circle_src.png", "sheet-0000.png"}) {
    EXPECT_TRUE(fs::exists(run.outdir() / name)) << name << "\n" << finished.out;
  }
  const auto again =
      command("swap", {"--sprompt", "a red/green circle", "--prompt", "a blue circle", "--json"});
  EXPECT_TRUE(fs::exists(run.outdir() / "a_blue_circle_tar-0001.png")) << again.out;
  const auto images = image_lines(again);
  ASSERT_EQ(images.size(), 4u);
  EXPECT_EQ(images[0].at("swap").at("branch"), "target");
  EXPECT_EQ(images[1].at("swap").at("branch"), "source");
  EXPECT_EQ(images[1].at("prompt"), "a red/green circle");
  EXPECT_EQ(fs::path(images[0].at("path")).filename(), fs::path(images[1].at("path")).filename());
}

TEST_F(EditBinary, TheSourceOfASwapIsThePictureOfItsPromptAlone) {
  const Names common = {"--n_samples", "1", "--skip_grid", "--ddim_steps", "4"};
  auto alone = common, swap = common;
  alone.insert(alone.end(),
               {"--prompt", "a cat", "--n_iter", "1", "--save-latents", run.path("alone")});
  swap.insert(swap.end(), {"--sprompt", "a cat", "--prompt", "a dog", "--mode", "p2p",
                           "--save-latents", run.path("swap")});
  ASSERT_EQ(command("txt2img", alone).code, 0);
  ASSERT_EQ(command("swap", swap).code, 0);
  const auto source = latents(run.path("swap") / "source_latents.npy");
  // Explicit and fused attention round differently in float32.
  EXPECT_LT(distance(source, latents(run.path("alone") / "latents.npy")), 1e-3);
  EXPECT_GT(distance(source, latents(run.path("swap") / "latents.npy")), 1e-3);
}

TEST_F(EditBinary, SeveralTargetsStandBesideOneSource) {
  const auto finished = command("swap", {"--sprompt", "a cat", "--prompt", "a dog", "--prompt",
                                         "a fox", "--n_samples", "1", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto images = image_lines(finished);
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images[0].at("prompt"), "a dog");
  EXPECT_EQ(images[2].at("prompt"), "a fox");
  EXPECT_EQ(images[2].at("swap").at("target"), 1);
}

TEST_F(EditBinary, SwapStartsFromAPictureToo) {
  const auto start = picture("start.png", pattern(128, 128));
  const auto finished = command("swap", {"--sprompt", "a cat", "--prompt", "a dog", "--init-img",
                                         start, "--strength", "0.5", "--plms", "--n_samples", "1"});
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(EditBinary, MapsOfASwapAreTheTargetsOrTheSources) {
  const Names common = {"--sprompt",   "a red cat", "--prompt",   "a blue dog",
                        "--n_samples", "1",         "--skip_grid"};
  for (const char* kind : {"own", "applied", "source"}) {
    auto arguments = common;
    const auto folder = run.path(kind);
    arguments.insert(arguments.end(), {"--attn", folder, "--attn-kind", kind});
    const auto finished = command("swap", arguments);
    ASSERT_EQ(finished.code, 0) << finished.err;
    const auto index = nlohmann::json::parse(
        test::read_text(std::filesystem::directory_iterator(folder)->path() / "index.json"));
    EXPECT_EQ(index.at("prompt"), kind == std::string("source") ? "a red cat" : "a blue dog");
  }
  const auto maps = [&](const char* kind) {
    return latents(std::filesystem::directory_iterator(run.path(kind))->path() / "maps.npy");
  };
  EXPECT_GT(distance(maps("own"), maps("applied")), 1e-6);
  // The fork's swap gives the target the source's maps: all tokens stand in the same places.
  EXPECT_LT(distance(maps("applied"), maps("source")), 1e-4);
  // Pictures do not depend on what is recorded.
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00002.png").pixels);
}

TEST_F(EditBinary, WithoutASourceSwapDrawsThePromptAlone) {
  ASSERT_EQ(command("swap", {"--prompt", "a dog", "--n_samples", "1", "--reweight", "dog=3"}).code,
            0);
  EXPECT_FALSE(fs::exists(run.outdir() / "source"));
  EXPECT_EQ(run.samples(), Names{"00000.png"});
}

TEST_F(EditBinary, PairsComeFromAFileWithATabBetween) {
  const auto pairs = run.file("pairs.txt", "a cat\ta dog\na house\ta castle\n");
  const auto finished = command("swap", {"--from-file", pairs, "--n_samples", "1", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto images = image_lines(finished);
  ASSERT_EQ(images.size(), 4u);
  EXPECT_EQ(images[2].at("prompt"), "a castle");
  EXPECT_EQ(images[2].at("swap").at("source"), "a house");
}

TEST_F(EditBinary, ABatchThatFailsIsLeftOutOfTheGrids) {
  const auto pairs = run.file("pairs.txt", "a cat\ta dog\na red cat\ta red dog\na frog\ta car\n");
  // Only the first batch has a second sample, whose weight overflows.
  const auto finished =
      command("swap", {"--from-file", pairs, "--n_samples", "2", "--reweight", "@1=1,1e38"});
  EXPECT_EQ(finished.code, 3) << finished.err;
  EXPECT_TRUE(contains(finished.err, "lines 1 to 2: ")) << finished.err;
  EXPECT_TRUE(fs::exists(run.outdir() / "sheet-0000.png")) << finished.out;
  // One target is left, and one picture gets no grid.
  EXPECT_FALSE(fs::exists(run.outdir() / "a_car_tar.png")) << finished.out;
}

TEST_F(EditBinary, SelfMaxResNeverMeansALargerLayer) {
  std::vector<std::vector<float>> all;
  for (const char* side : {"16", "24", "32"}) {
    ASSERT_EQ(command("swap", {"--mode", "p2p", "--sprompt", "a cat", "--prompt", "a dog",
                               "--self-steps", "0:1", "--self-max-res", side, "--n_samples", "1",
                               "--skip_grid", "--save-latents", run.path(side)})
                  .code,
              0);
    all.push_back(latents(run.path(side) / "latents.npy"));
  }
  EXPECT_EQ(all[0], all[1]);
  EXPECT_NE(all[0], all[2]);
}

TEST_F(EditBinary, FixedCodeGivesAllSamplesOfASwapOneStart) {
  ASSERT_EQ(command("swap", {"--sprompt", "a cat", "--prompt", "a dog", "--fixed_code"}).code, 0);
  EXPECT_EQ(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
}

TEST_F(EditBinary, ASweepInASwapIsWrittenUnderItsTargets) {
  const auto finished = command("swap", {"--sprompt", "a red cat", "--prompt", "a red dog",
                                         "--reweight", "red=1,5", "--skip_save"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto sources = read_image(run.outdir() / "a_red_cat_src.png");
  EXPECT_GT(read_image(run.outdir() / "a_red_dog_tar.png").height, sources.height + 10);
}

TEST_F(EditBinary, WhatASwapCutsOffIsSaidOfEachPrompt) {
  std::string cut;
  for (int i = 0; i < 90; ++i) cut += "very ";
  const auto finished = command("swap", {"--sprompt", cut + "cat", "--prompt", "a dog", "--prompt",
                                         cut + "fox", "--n_samples", "1", "--skip_grid"});
  EXPECT_TRUE(contains(finished.err, "sd: the prompt has ")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "sd: the source of the prompt has ")) << finished.err;
}

TEST_F(EditBinary, ABoxChangesTheTargetAloneAndIsWrittenDown) {
  for (const char* folder : {"outline", "box"}) {
    Names arguments = {"--mode",      "p2p",    "--sprompt",      "a cat",
                       "--prompt",    "a dog",  "--n_samples",    "1",
                       "--skip_grid", "--json", "--save-latents", run.path(folder)};
    const bool box = folder == std::string_view("box");
    if (box) arguments.insert(arguments.end(), {"--cross-box", "cat"});
    const auto finished = command("swap", arguments);
    ASSERT_EQ(finished.code, 0) << finished.err;
    const auto images = image_lines(finished);
    EXPECT_EQ(images.at(0).at("swap").at("cross_box").size(), box ? 1u : 0u);
  }
  const auto of = [&](const char* folder, const char* file) {
    return latents(run.path(folder) / fs::path(file));
  };
  EXPECT_EQ(distance(of("box", "source_latents.npy"), of("outline", "source_latents.npy")), 0);
  EXPECT_GT(distance(of("box", "latents.npy"), of("outline", "latents.npy")), 1e-4);
}

TEST_F(EditBinary, LocalBlendAndPerWordStepsRun) {
  const auto finished = command("swap", {"--mode",         "p2p",
                                         "--sprompt",      "a cat on a sofa",
                                         "--prompt",       "a dog on a sofa",
                                         "--cross-steps",  "0:0.6",
                                         "--cross-steps",  "dog=0:0.2",
                                         "--local-blend",  "cat",
                                         "--local-blend",  "dog",
                                         "--blend-except", "sofa",
                                         "--blend-res",    "64",
                                         "--ddim_steps",   "5",
                                         "--n_samples",    "1"});
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(EditBinary, ADryRunPrintsTheAlignmentAndDrawsNothing) {
  const auto finished = command("swap", {"--sprompt", "a cat", "--prompt", "a dog", "--dry-run"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(contains(finished.out, "replaced")) << finished.out;
  EXPECT_FALSE(fs::exists(run.outdir()));
}

TEST_F(EditBinary, ReweightingChangesThePictureAndOneDoesNot) {
  const Names common = {"--prompt", "a red cat",   "--n_samples",  "1", "--n_iter",
                        "1",        "--skip_grid", "--ddim_steps", "4"};
  for (const char* weight : {"", "red=1", "red=5", "red cat=0"}) {
    auto arguments = common;
    if (*weight != 0) arguments.insert(arguments.end(), {"--reweight", weight});
    ASSERT_EQ(command("txt2img", arguments).code, 0);
  }
  const auto plain = run.sample("00000.png").pixels;
  EXPECT_EQ(run.sample("00001.png").pixels, plain);
  EXPECT_NE(run.sample("00002.png").pixels, plain);
  EXPECT_NE(run.sample("00003.png").pixels, plain);
}

TEST_F(EditBinary, AValueForEachSampleIsWrittenUnderThePictures) {
  const auto finished = command("txt2img", {"--prompt", "a red cat", "--reweight", "red=-2,1,5",
                                            "--n_samples", "3", "--n_iter", "1", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto grid = read_image(run.outdir() / "grid-0000.png");
  EXPECT_GT(grid.height, 128 + 16);  // room for a line of text below
  EXPECT_EQ(image_lines(finished).at(2).at("control").at("reweight").at(0).at("values").at(2), 5);
}

TEST_F(EditBinary, CaptionsOfASweepBelongToTheirOwnIteration) {
  const auto finished =
      command("txt2img", {"--prompt", "a red cat", "--reweight", "red=-2,5", "--fixed_code",
                          "--n_samples", "2", "--n_iter", "2", "--skip_save"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  // One start for both iterations: the two rows of the grid are equal, captions included.
  const auto grid = read_image(run.outdir() / "grid-0000.png");
  constexpr int64_t kGap = 8;  // of a labelled sheet, above each row and below the last
  const auto row = static_cast<std::ptrdiff_t>((grid.height - kGap) / 2 * grid.width * 3);
  const auto first = grid.pixels.begin();
  EXPECT_TRUE(std::equal(first, first + row, first + row));
  EXPECT_NE(std::adjacent_find(first, first + row, std::not_equal_to<>()), first + row);
}

TEST_F(EditBinary, EqualPairsOfAFileAreNamedByTheirLine) {
  const auto pairs = run.file("pairs.txt", "a cat\ta dog\na house\ta house\n");
  const auto finished = command("swap", {"--from-file", pairs, "--n_samples", "1", "--skip_grid"});
  EXPECT_EQ(finished.code, 0);
  EXPECT_TRUE(contains(finished.err, "line 2: the target equals the source")) << finished.err;
  EXPECT_FALSE(contains(finished.err, "line 1: the target")) << finished.err;
}

TEST_F(EditBinary, WithoutSavingEveryPictureStillHasItsLineOfJson) {
  const auto finished = command("swap", {"--sprompt", "a cat", "--prompt", "a dog", "--n_samples",
                                         "1", "--skip_save", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto images = image_lines(finished);
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].at("prompt"), "a dog");
  EXPECT_EQ(images[1].at("prompt"), "a cat");
}

TEST_F(EditBinary, AGridThatNoPictureCouldHoldIsNotDrawn) {
  // 30,000 iterations of 128x128 would be half a gigapixel; one of them is enough to see.
  test::Process process(run.setup({"--prompt", "a", "--n_iter", "30000", "--n_samples", "1"}));
  ASSERT_TRUE(process.wait_until([&] { return !run.samples().empty(); }));
  process.signal(SIGINT);
  const auto finished = process.wait();
  EXPECT_EQ(finished.code, 130);
  EXPECT_TRUE(contains(finished.err, "no grid is drawn")) << finished.err;
}

TEST_F(EditBinary, MapsCanBeDrawnOfARestrictedControl) {
  const Names common = {"--prompt", "a red cat", "--reweight",  "red=8", "--ddim_steps", "3",
                        "--n_iter", "1",         "--n_samples", "1",     "--words",      "cat"};
  for (const Names& scope : {Names{}, Names{"--res", "8"}, Names{"--res", "16", "--heads", "0"}}) {
    auto arguments = common;
    arguments.insert(arguments.end(), scope.begin(), scope.end());
    const auto finished = command("attn", arguments);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  EXPECT_NE(run.sample("00000.png").pixels, run.sample("00001.png").pixels);
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00002.png").pixels);
}

TEST_F(EditBinary, WrongInputIsSaidBeforeAnythingIsWritten) {
  const auto text = run.file("text.png", "no picture");
  const auto start = picture("start.png", pattern(64, 64));
  const auto targets = run.file("targets.txt", "a cat\na dog\n");
  const auto damaged = run.file("damaged.png", test::read_text(start).replace(50, 8, 8, '\xff'));
  struct Wrong {
    std::string command;
    Names arguments;
    int code;
    std::string part;
  };
  const std::vector<Wrong> all = {
      {"img2img", {}, 2, "--init-img"},
      {"img2img", {"--init-img", run.path("none.png")}, 5, "does not exist"},
      {"img2img", {"--init-img", text}, 5, "text.png"},
      {"img2img", {"--init-img", damaged}, 5, "damaged.png"},
      {"img2img", {"--init-img", start, "--strength", "1.5"}, 2, "--strength"},
      {"img2img", {"--init-img", start, "--mask-blur", "3"}, 2, "--init-mask"},
      {"swap", {"--sprompt", "a", "--prompt", "b", "--cross-steps", "0:0.5"}, 2, "--mode p2p"},
      {"swap",
       {"--mode", "p2p", "--sprompt", "a", "--prompt", "b", "--cross-steps", "0.9:0.1"},
       2,
       "0.9:0.1"},
      {"swap", {"--is-swap", "--prompt", "b"}, 2, "--sprompt"},
      {"swap", {"--from-file", targets, "--mode", "p2p"}, 2, "no source to swap with"},
      {"txt2img", {"--from-file", targets, "--reweight", "cat=2"}, 2, "'cat' is not in"},
      {"txt2img", {"--prompt", "a cat", "--reweight", "cta=2"}, 2, "cat"},
      {"txt2img", {"--prompt", "a cat", "--reweight", "cat"}, 2, "--reweight"},
      {"txt2img", {"--prompt", "a cat", "--layers", "top"}, 2, "down, middle, up"},
      {"txt2img", {"--prompt", "a cat", "--layers", "down"}, 2, "--layers: restricts"},
      {"attn", {"--prompt", "a cat", "--res", "16"}, 2, "--res: restricts"},
      {"txt2img", {"--prompt", "a cat", "--reweight-steps", "0:0.5"}, 2, "--reweight-steps"},
      {"swap", {"--prompt", "a cat", "--tthres", "500"}, 2, "--tthres"},
      {"swap", {"--from-file", targets, "--rows", "cond"}, 2, "--rows: restricts"}};
  for (const auto& wrong : all) {
    const auto finished = command(wrong.command, wrong.arguments);
    EXPECT_EQ(finished.code, wrong.code) << wrong.command << ": " << finished.err;
    EXPECT_TRUE(contains(finished.err, wrong.part)) << finished.err;
    EXPECT_FALSE(fs::exists(run.outdir())) << finished.err;
  }
}

TEST_F(EditBinary, EqualPromptsAreAWarning) {
  const auto finished =
      command("swap", {"--sprompt", "a cat", "--prompt", "a cat", "--n_samples", "1"});
  EXPECT_EQ(finished.code, 0);
  EXPECT_TRUE(contains(finished.err, "--prompt equals --sprompt")) << finished.err;
}

}  // namespace
}  // namespace sd
