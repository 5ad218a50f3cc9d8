// Samplers through the binary, on the tiny model.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/core/sampler_table.h"
#include "sd/image/metadata.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Names = std::vector<std::string>;

const Names kSmall = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--steps", "3"};

Names with(Names arguments) {
  arguments.insert(arguments.begin(), kSmall.begin(), kSmall.end());
  return arguments;
}

std::string pixels_of(const std::filesystem::path& picture) {
  const auto pixels = read_image(picture).pixels;
  return {pixels.begin(), pixels.end()};
}

TEST(SamplerBinary, EverySamplerDrawsAPictureOfItsOwnAndTheSameTwice) {
  const TinyRun run;
  std::set<std::string> pictures;
  std::size_t index = 0;
  for (const auto& info : all_samplers()) {
    const std::string name(info.name);
    const auto finished = run(with({"--sampler", name, "--json"}));
    ASSERT_EQ(finished.code, 0) << finished.err;
    EXPECT_EQ(test::image_lines(finished).at(0).at("sampler"), info.name);
    pictures.insert(pixels_of(run.sample_path(index++)));
    ASSERT_EQ(run(with({"--sampler", std::string(info.label)})).code, 0);
    pictures.insert(pixels_of(run.sample_path(index++)));
  }
  // Two runs of each are one picture; three steps are few enough that no two samplers agree.
  EXPECT_EQ(pictures.size(), all_samplers().size());
}

TEST(SamplerBinary, TheSchedulerMattersAndIsWrittenIntoThePicture) {
  const TinyRun run;
  std::set<std::string> pictures;
  std::size_t index = 0;
  for (const auto& scheduler : scheduler_names()) {
    ASSERT_EQ(run(with({"--sampler", "euler", "--scheduler", scheduler, "--steps", "7"})).code, 0);
    const auto path = run.sample_path(index++);
    pictures.insert(pixels_of(path));
    const auto parameters = read_metadata(path).parameters.value_or("");
    EXPECT_TRUE(contains(parameters, "Sampler: Euler, Schedule type: " +
                                         std::string(label_of(*find_scheduler(scheduler)))))
        << parameters;
  }
  EXPECT_EQ(pictures.size(), scheduler_names().size());
}

TEST(SamplerBinary, ControlHoldsWithEverySampler) {
  const TinyRun run;
  for (const auto& info : all_samplers()) {
    const std::string name(info.name);
    auto arguments = with({"--sampler", name, "--sprompt", "a red cat", "--prompt", "a red dog",
                           "--reweight", "red=3", "--save-latents", run.path(name)});
    auto setup = run.setup(arguments);
    setup.arguments.front() = "swap";
    ASSERT_EQ(test::run_program(setup).code, 0) << name;
    setup = run.setup(with({"--sampler", name, "--prompt", "a red dog", "--reweight", "red=3",
                            "--save-latents", run.path("plain-" + name)}));
    setup.arguments.front() = "swap";
    ASSERT_EQ(test::run_program(setup).code, 0) << name;
    EXPECT_NE(read_npy(run.path(name) / "latents.npy").values,
              read_npy(run.path("plain-" + name) / "latents.npy").values)
        << name;
  }
}

TEST(SamplerBinary, WhatIsFasterAndNotExactIsTold) {
  const TinyRun run;
  const auto exact = run(with({"--prompt", "a red cat", "--json"}));
  ASSERT_EQ(exact.code, 0) << exact.err;
  const auto fast = run(with({"--prompt", "a red cat", "--json", "--guidance-interval", "0.4:1",
                              "--deepcache", "2", "--tome", "0.5"}));
  ASSERT_EQ(fast.code, 0) << fast.err;
  const auto plain = test::image_lines(exact).at(0), told = test::image_lines(fast).at(0);
  for (const char* key : {"guidance_interval", "deepcache", "tome"})
    EXPECT_FALSE(plain.contains(key)) << key;
  EXPECT_EQ(told.at("guidance_interval"), nlohmann::json::array({0.4, 1.0}));
  EXPECT_EQ(told.at("deepcache"), 2);
  EXPECT_EQ(told.at("tome"), 0.5);
  EXPECT_NE(pixels_of(run.sample_path(1)), pixels_of(run.sample_path(0)));
  const auto parameters = read_metadata(run.sample_path(1)).parameters.value_or("");
  EXPECT_TRUE(
      contains(parameters, "CFG interval: \"0.4:1\", DeepCache: 2, Token merging ratio: 0.5"))
      << parameters;
}

TEST(SamplerBinary, WhatIsAddedToGuidanceIsTold) {
  const TinyRun run;
  ASSERT_EQ(run(with({"--prompt", "a red cat"})).code, 0);
  const auto added = run(with({"--prompt", "a red cat", "--json", "--pag", "3", "--pag-layers",
                               "mid,up.0", "--freeu", "1.5,1.6,0.9,0.2", "--dynamic-threshold", "7",
                               "--apg", "0.5", "--nag", "2", "--timesteps", "trailing"}));
  ASSERT_EQ(added.code, 0) << added.err;
  const auto told = test::image_lines(added).at(0);
  EXPECT_EQ(told.at("pag_layers"), "mid,up.0");
  EXPECT_EQ(told.at("freeu"), nlohmann::json::array({1.5, 1.6, 0.9, 0.2}));
  EXPECT_EQ(told.at("dynamic_threshold").at("percentile"), 1.0);
  EXPECT_EQ(told.at("apg").at("norm"), 15.0);
  EXPECT_EQ(told.at("timesteps"), "trailing");
  EXPECT_NE(pixels_of(run.sample_path(1)), pixels_of(run.sample_path(0)));
  const auto parameters = read_metadata(run.sample_path(1)).parameters.value_or("");
  EXPECT_TRUE(contains(parameters, "Timestep spacing: trailing, PAG Scale: 3")) << parameters;
  EXPECT_FALSE(contains(read_metadata(run.sample_path(0)).parameters.value_or(""), "PAG"));
}

TEST(SamplerBinary, WhatDoesNotFitIsSaid) {
  const TinyRun run;
  struct Wrong {
    Names arguments;
    std::string part;
  };
  const std::vector<Wrong> all = {
      {{"--sampler", "euler_b"}, "euler_a"},
      {{"--sampler", "euler", "--scheduler", "linear"}, "discrete, karras"},
      {{"--sampler", "ddim", "--scheduler", "karras"}, "timesteps of its own"},
      {{"--scheduler", "karras"}, "ddim has timesteps of its own"},
      {{"--plms", "--sampler", "euler"}, "contradict"},
      {{"--sampler", "DPM++ 2M Karras", "--scheduler", "simple"}, "contradict"},
      {{"--sampler", "euler_a", "--ddim_eta", "0.5"}, "--ddim_eta belongs to DDIM"},
      {{"--sampler", "lcm", "--steps", "51"}, "1 to 50"},
      {{"--guidance-interval", "0.8:0.2"}, "no part of the steps"},
      {{"--deepcache", "0"}, "whole number from 1"},
      {{"--deepcache", "3", "--attn", "maps"}, "--deepcache 3: --attn needs"},
      {{"--tome", "0.8"}, "from 0 to 0.75"},
      {{"--timesteps", "last"}, "trailing"},
      {{"--timesteps", "trailing", "--sampler", "tcd"}, "tcd has timesteps of its own"},
      {{"--timesteps", "trailing", "--sampler", "euler", "--scheduler", "karras"}, "contradict"},
      {{"--tcd-gamma", "0.5"}, "belongs to --sampler tcd"},
      {{"--zero-terminal-snr"}, "predicts noise"},
      {{"--pag", "nan"}, "--pag"},
      {{"--pag", "101"}, "from 0 to 100"},
      {{"--pag", "3", "--pag-layers", "middle_earth"}, "no layer's name"},
      {{"--pag", "3", "--pag-layers", "down.9"}, "no attention there"},
      {{"--pag-layers", "down"}, "belongs to --pag"},
      {{"--pag", "3", "--seg", "3"}, "--pag and --seg"},
      {{"--sag", "1", "--deepcache", "2"}, "--sag predicts"},
      {{"--freeu", "1,2,3"}, "B1,B2,S1,S2"},
      {{"--freeu", "1,2,3,4,5"}, "B1,B2,S1,S2"},
      {{"--freeu", "1,2,,4"}, "--freeu"},
      {{"--freeu-version", "1"}, "belongs to --freeu"},
      {{"--dynamic-threshold", "7:2"}, "from 0 to 1"},
      {{"--apg", "0:15:-2"}, "from -1 to 1"},
      {{"--nag", "0.5"}, "from 1 to 100"},
      {{"--nag-tau", "2"}, "belongs to --nag"}};
  for (const auto& wrong : all) {
    const auto finished = run(wrong.arguments);
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_TRUE(contains(finished.err, wrong.part)) << finished.err;
    EXPECT_TRUE(run.samples().empty());
  }
}

TEST(SamplerBinary, TheListNamesThemAll) {
  const TinyRun run;
  auto setup = run.setup({});
  setup.arguments = {"samplers"};
  const auto finished = test::run_program(setup);
  EXPECT_EQ(finished.code, 0);
  for (const auto& info : all_samplers()) {
    EXPECT_TRUE(contains(finished.out, std::string(info.label))) << finished.out;
    EXPECT_TRUE(contains(finished.out, std::string(info.paper))) << finished.out;
  }
}

}  // namespace
}  // namespace sd
