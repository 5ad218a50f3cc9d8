// What decides a picture's random numbers, through the binary on the tiny model.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"

namespace sd {
namespace {

using test::contains;
using test::image_lines;
using test::read_text;
using test::TinyRun;
using Names = std::vector<std::string>;

/// The only picture of a run.
std::string picture(const TinyRun& run, const Names& arguments) {
  const auto finished = run(arguments);
  EXPECT_EQ(finished.code, 0) << finished.err;
  const auto& names = run.samples();
  EXPECT_EQ(names.size(), 1u);
  return read_text(run.sample_path(0));
}

std::vector<uint8_t> pixels(const TinyRun& run, const Names& arguments) {
  const auto finished = run(arguments);
  EXPECT_EQ(finished.code, 0) << finished.err;
  return read_image(run.sample_path(run.samples().size() - 1)).pixels;
}

Names joined(Names first, const Names& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class Seeds : public ::testing::TestWithParam<const char*> {
 protected:
  Names base() const {
    return {"--prompt", "a red cat", "--sampler", GetParam(), "--steps", "4", "--skip_grid"};
  }
};

TEST_P(Seeds, OnlyOneOfARunIsThatPictureToTheByte) {
  for (const std::string mode : {"batch", "image"}) {
    const auto run_of = joined(base(), {"--n_samples", "2", "--n_iter", "2", "--seed-mode", mode});
    const TinyRun all;
    ASSERT_EQ(all(run_of).code, 0);
    for (std::size_t i = 0; i < 4; ++i) {
      const TinyRun alone;
      EXPECT_EQ(picture(alone, joined(run_of, {"--only", std::to_string(i)})),
                read_text(all.sample_path(i)))
          << mode << " " << i;
    }
  }
}

TEST_P(Seeds, InImageModeAPictureIsThatOfItsSeedDrawnAlone) {
  const TinyRun all, alone;
  ASSERT_EQ(all(joined(base(), {"--n_samples", "3", "--n_iter", "2", "--seed-mode", "image",
                                "--seed", "7"}))
                .code,
            0);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto seed = std::to_string(7 + i);
    EXPECT_EQ(pixels(alone, joined(base(), {"--n_samples", "1", "--n_iter", "1", "--seed", seed})),
              read_image(all.sample_path(i)).pixels)
        << i;
  }
}

TEST_P(Seeds, CountOnFromTheLastToTheFirst) {
  const TinyRun all, alone;
  ASSERT_EQ(all(joined(base(), {"--n_samples", "2", "--n_iter", "1", "--seed-mode", "image",
                                "--seed", "18446744073709551615"}))
                .code,
            0);
  EXPECT_EQ(pixels(alone, joined(base(), {"--n_samples", "1", "--n_iter", "1", "--seed", "0"})),
            read_image(all.sample_path(1)).pixels);
}

INSTANTIATE_TEST_SUITE_P(Samplers, Seeds, ::testing::Values("ddim", "euler_a", "dpmpp_2m_sde"),
                         [](const auto& sampler) { return std::string(sampler.param); });

const Names kOne = {"--n_samples", "1", "--n_iter", "1", "--skip_grid"};

TEST(SeedBinary, OnlyHoldsWithAMaskWhoseNoiseComesFromTheStream) {
  const TinyRun all, alone;
  Image start{128, 128, 3, std::vector<uint8_t>(128 * 128 * 3, 90)}, mask{128, 128, 1, {}};
  for (int i = 0; i < 128 * 128; ++i) mask.pixels.push_back(i % 128 < 64 ? 0 : 255);
  const auto write = [&](const char* name, const Image& image) {
    const auto png = encode_png(image);
    return all.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  };
  const Names arguments = {"--prompt",    "a cat",
                           "--init-img",  write("start.png", start),
                           "--init-mask", write("mask.png", mask),
                           "--steps",     "5",
                           "--sampler",   "euler_a",
                           "--n_samples", "2",
                           "--n_iter",    "2",
                           "--skip_grid"};
  auto setup = all.setup(arguments);
  setup.arguments.front() = "img2img";
  ASSERT_EQ(test::run_program(setup).code, 0);
  setup = alone.setup(joined(arguments, {"--only", "3"}));
  setup.arguments.front() = "img2img";
  ASSERT_EQ(test::run_program(setup).code, 0);
  EXPECT_EQ(read_text(alone.sample_path(0)), read_text(all.sample_path(3)));
}

TEST(SeedBinary, ASweepKeepsItsValuesInImageMode) {
  const TinyRun run, alone;
  const Names sweep = {"--prompt", "a red cat", "--reweight", "red=1,6", "--n_samples",
                       "2",        "--n_iter",  "1",          "--steps", "4"};
  ASSERT_EQ(run(joined(sweep, {"--seed-mode", "image"})).code, 0);
  EXPECT_EQ(pixels(alone, joined(kOne, {"--prompt", "a red cat", "--reweight", "red=6", "--steps",
                                        "4", "--seed", "43"})),
            read_image(run.sample_path(1)).pixels);
}

TEST(SeedBinary, AVariationLiesBetweenTwoSeeds) {
  const TinyRun run;
  const auto of = [&](const Names& more) { return pixels(run, joined(kOne, more)); };
  const auto plain = of({"--seed", "3"}), other = of({"--seed", "9"});
  EXPECT_EQ(of({"--seed", "3", "--variation", "9:0"}), plain);
  EXPECT_EQ(of({"--seed", "3", "--variation", "9:1"}), other);
  const auto between = of({"--seed", "3", "--variation", "9:0.3"});
  EXPECT_NE(between, plain);
  EXPECT_NE(between, other);
}

TEST(SeedBinary, ARandomSeedIsSaidAndDrawsThePictureAgain) {
  const TinyRun run;
  const auto finished = run(joined(kOne, {"--seed", "-1", "--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto seed = std::to_string(image_lines(finished).at(0).at("seed").get<int64_t>());
  EXPECT_TRUE(contains(finished.err, "seed: " + seed)) << finished.err;
  EXPECT_EQ(pixels(run, joined(kOne, {"--seed", seed})), read_image(run.sample_path(0)).pixels);
}

TEST(SeedBinary, WhatDoesNotFitIsSaid) {
  const TinyRun run;
  const std::vector<std::pair<Names, std::string>> all = {
      {{"--only", "6"}, "6 pictures, counted from 0"},
      {{"--only", "-1"}, "--only"},
      {{"--seed", "-2"}, "--seed"},
      {{"--variation", "7"}, "SEED:STRENGTH"},
      {{"--variation", "7:1.5"}, "SEED:STRENGTH"},
      {{"--seed-mode", "picture"}, "batch, image"},
      {{"--seed-mode", "image", "--fixed_code"}, "--fixed_code"}};
  for (const auto& [arguments, part] : all) {
    const auto finished = run(arguments);
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
    EXPECT_TRUE(run.samples().empty());
  }
}

}  // namespace
}  // namespace sd
