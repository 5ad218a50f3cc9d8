// Pictures that look at other pictures, through the binary on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"
#include "support/ip_adapter_files.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Names = std::vector<std::string>;

const Names kSmall = {"--n_samples", "1",  "--n_iter", "1", "--skip_grid", "--W", "64",
                      "--H",         "64", "--steps",  "3"};

class SharingRun : public TinyRun {
 public:
  SharingRun() {
    const auto png = encode_png(test::followed_picture());
    file("cat.png", {reinterpret_cast<const char*>(png.data()), png.size()});
  }

  test::Finished txt2img(Names arguments) const {
    arguments.insert(arguments.begin(), {"--prompt", "a cat"});
    arguments.insert(arguments.end(), kSmall.begin(), kSmall.end());
    return (*this)(arguments);
  }
  /// A swap of a cat and a dog.
  test::Finished swap(Names arguments) const {
    arguments.insert(arguments.begin(), {"--sprompt", "a red cat", "--prompt", "a red dog"});
    arguments.insert(arguments.end(), kSmall.begin(), kSmall.end());
    auto setup = this->setup(arguments);
    setup.arguments.front() = "swap";
    return run_program(setup);
  }
  std::string cat() const { return path("cat.png").string(); }
};

/// Draws the picture that `args` of the first one say, and expects its bytes.
void expect_repeats(const SharingRun& run, const std::string& picture) {
  const auto asked = test::run_sd({"info", "--as-args", run.path("out/" + picture).string()});
  test::ProcessSetup shell;
  shell.binary = "/bin/sh";
  shell.arguments = {"-c", "PATH=\"$SD_FOLDER:$PATH\"; cd " + run.path("").string() + "; " +
                               asked.out.substr(0, asked.out.find('\n')) + " --outdir again"};
  shell.environment = {{"XDG_CACHE_HOME", run.path("cache").string()},
                       {"SD_FOLDER", std::filesystem::path(SD_BINARY).parent_path().string()}};
  const auto again = run_program(shell);
  ASSERT_EQ(again.code, 0) << again.err << asked.out;
  EXPECT_EQ(test::read_text(run.path("again/samples/00000.png")),
            test::read_text(run.path("out/" + picture)));
}

TEST(SharingBinary, ATargetLooksAtItsSourceInEachOfTheWays) {
  const SharingRun run;
  const std::vector<Names> ways = {
      {"--mode", "none"},
      {"--masactrl"},
      {"--masactrl", "--masactrl-mask", "cat", "--masactrl-mask", "dog"},
      {"--pnp", "--pnp-attention", "1"},
      {"--appearance"},
      {"--masactrl", "--mode", "p2p", "--self-steps", "0:1", "--self-max-res", "64"},
      {"--masactrl", "--masactrl-steps", "0.9999:1"}};
  for (const auto& way : ways) {
    const auto finished = run.swap(way);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  std::vector<std::vector<std::uint8_t>> pictures;
  for (std::size_t i = 0; i < ways.size(); ++i)
    pictures.push_back(run.sample("0000" + std::to_string(i) + ".png").pixels);
  for (std::size_t i = 1; i + 1 < ways.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(pictures[i], pictures[j]) << i << " and " << j;
  }
  // The last begins in the last of three steps: int(0.9999 · 3) is 2.
  EXPECT_NE(pictures.back(), pictures.front());
}

TEST(SharingBinary, SourcesAreThoseOfASwapThatTakesNothing) {
  const SharingRun run;
  for (const Names& way :
       {Names{"--mode", "none"}, Names{"--masactrl"}, Names{"--pnp"}, Names{"--appearance"}}) {
    const auto finished = run.swap(way);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  const auto source = [&](int i) {
    return read_image(run.path("out/source/0000" + std::to_string(i) + ".png")).pixels;
  };
  for (int i = 1; i < 4; ++i) EXPECT_EQ(source(i), source(0)) << i;
}

TEST(SharingBinary, APictureSaysHowToDrawItAgain) {
  const SharingRun run;
  const auto masked = run.swap({"--masactrl", "--masactrl-steps", "0.3:1", "--masactrl-mask", "cat",
                                "--masactrl-mask", "dog", "--masactrl-threshold", "0.2", "--json"});
  ASSERT_EQ(masked.code, 0) << masked.err;
  const auto line = test::image_lines(masked).at(0);
  EXPECT_EQ(line.at("masactrl"), true);
  EXPECT_EQ(line.at("masactrl_steps").dump(), "[0.3,1.0]");
  EXPECT_EQ(line.at("masactrl_mask").dump(), R"(["cat","dog"])");
  EXPECT_EQ(line.at("swap").at("mode"), "none");
  expect_repeats(run, "samples/00000.png");
}

TEST(SharingBinary, AReferenceIsLookedAtAndRepeated) {
  const SharingRun run;
  for (const Names& arguments :
       {Names{}, Names{"--reference", run.cat(), "--reference-fidelity", "1"},
        Names{"--reference", run.cat(), "--reference-weight", "0"}}) {
    const auto finished = run.txt2img(arguments);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_EQ(run.sample("00002.png").pixels, run.sample("00000.png").pixels);
  expect_repeats(run, "samples/00001.png");
}

TEST(SharingBinary, PicturesOfABatchFollowTheStyleOfItsFirst) {
  const SharingRun run;
  const auto list = run.file("prompts.txt", "a cat\na red dog\n");
  for (const Names& arguments : {Names{}, Names{"--style-aligned"}}) {
    auto all = arguments;
    all.insert(all.end(), {"--from-file", list});
    all.insert(all.end(), kSmall.begin(), kSmall.end());
    all.insert(all.end(), {"--n_samples", "2"});
    const auto finished = run(all);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  EXPECT_EQ(run.sample("00002.png").pixels, run.sample("00000.png").pixels);
  EXPECT_NE(run.sample("00003.png").pixels, run.sample("00001.png").pixels);
}

TEST(SharingBinary, AppearanceOfAPictureAlongAnotherOnesPathIsRepeatedToTheByte) {
  const SharingRun run;
  Image mask{64, 64, 1, std::vector<uint8_t>(64 * 64, 0)};
  std::fill(mask.pixels.begin(), mask.pixels.begin() + 64 * 24, uint8_t{255});
  const auto png = encode_png(mask);
  const auto object =
      run.file("object.png", {reinterpret_cast<const char*>(png.data()), png.size()});
  Image ramp{64, 64, 3, {}};
  for (int i = 0; i < 64 * 64 * 3; ++i) ramp.pixels.push_back(static_cast<uint8_t>(i / 50));
  const auto other = encode_png(ramp);
  const auto start =
      run.file("start.png", {reinterpret_cast<const char*>(other.data()), other.size()});
  const Names common = {"--appearance", "--init-img", start};
  const std::vector<Names> ways = {{},
                                   {"--appearance-from", run.cat()},
                                   {"--appearance-from", run.cat(), "--appearance-prompt", "a cat"},
                                   {"--appearance-from", run.cat(), "--appearance-prompt", "a cat",
                                    "--appearance-object", object, "--appearance-onto", object}};
  for (const auto& way : ways) {
    auto arguments = common;
    arguments.insert(arguments.end(), way.begin(), way.end());
    const auto finished = run.swap(arguments);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  for (std::size_t i = 1; i < ways.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_NE(run.sample("0000" + std::to_string(i) + ".png").pixels,
                run.sample("0000" + std::to_string(j) + ".png").pixels)
          << i << " and " << j;
  }
  // The structure is the picture in all of them.
  EXPECT_EQ(read_image(run.path("out/source/00003.png")).pixels,
            read_image(run.path("out/source/00000.png")).pixels);
  expect_repeats(run, "samples/00003.png");
}

TEST(SharingBinary, AppearanceOfAPictureIsRefusedWhereItCannotBe) {
  const SharingRun run;
  const auto expect = [&](const Names& arguments, int code, const char* part) {
    const auto finished = run.swap(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  const Image black{64, 64, 1, std::vector<uint8_t>(64 * 64, 0)};
  const auto png = encode_png(black);
  const auto mask = run.file("b.png", {reinterpret_cast<const char*>(png.data()), png.size()});
  expect({"--appearance-from", run.cat()}, 2, "belongs to --appearance");
  expect({"--appearance", "--appearance-prompt", "a cat"}, 2, "belongs to --appearance-from");
  expect({"--appearance", "--appearance-from", "no.png"}, 5, "no.png does not exist");
  expect({"--appearance", "--appearance-object", "no.png"}, 5, "no.png does not exist");
  expect({"--appearance", "--appearance-from", run.cat(), "--sampler", "euler_a"}, 2,
         "--appearance-from: ");
  expect({"--appearance", "--appearance-onto", mask}, 2, "has 0 pixels");
}

TEST(SharingBinary, WhatDoesNotGoTogetherIsRefused) {
  const SharingRun run;
  const auto expect = [&](const test::Finished& finished, int code, const char* part) {
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  expect(run.swap({"--masactrl", "--pnp"}), 2, "--masactrl, --pnp each say");
  expect(run.swap({"--masactrl", "--mode", "fork"}), 2, "--mode fork");
  expect(run.swap({"--masactrl", "--tome", "0.5"}), 2, "--tome");
  expect(run.swap({"--pnp", "--deepcache", "2"}), 2, "--deepcache");
  expect(run.swap({"--appearance", "--sag", "0.5"}), 2, "--sag");
  expect(run.swap({"--masactrl-mask", "cat"}), 2, "belongs to --masactrl");
  expect(run.swap({"--masactrl", "--masactrl-mask", "cat"}), 2, "'a red dog' has none of: cat");
  expect(run.swap({"--masactrl", "--tthres", "5"}), 2, "--tthres");
  expect(run.txt2img({"--reference", run.path("no.png").string()}), 5, "no.png does not exist");
  expect(run.txt2img({"--reference", run.file("none.png", "no picture")}), 5, "none.png");
  expect(run.txt2img({"--style-aligned", "--seed-mode", "image"}), 2, "--seed-mode image");
  expect(run.txt2img({"--style-aligned", "--grid", "scale=1,5"}), 2, "--grid");
  expect(run.txt2img({"--reference-weight", "0.5"}), 2, "belongs to --reference");
}

}  // namespace
}  // namespace sd
