#include <gtest/gtest.h>

#include <string>

#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::image_lines;
using test::TinyRun;

TEST(SettingsInForce, DecideWhatIsDrawnAndAreRecorded) {
  const TinyRun run;
  const auto config = run.path("config");
  std::filesystem::create_directories(config / "sd");
  test::write_text(config / "sd/config.toml",
                   "sampler = \"euler\"\nseed = 11\nscale = 3\nn_iter = 1\nskip-grid = true\n"
                   "reweight = [\"red=2\", \"apple=0.5\"]\n[txt2img]\nseed = 12\n");
  auto setup = run.setup({"--prompt", "a red apple", "--json", "--n_samples", "1"});
  setup.environment.emplace_back("XDG_CONFIG_HOME", config.string());
  setup.environment.emplace_back("SD_SCALE", "4");
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(test::image_lines(finished).size(), 1u) << finished.out;
  EXPECT_FALSE(test::contains(finished.out, "\"kind\":\"grid\"")) << finished.out;
  const auto info = test::run_sd({"info", "--json", run.sample_path(0)});
  const auto settings = nlohmann::json::parse(info.out).at("texts").at("sd");
  EXPECT_EQ(settings.at("seed"), 12);
  EXPECT_EQ(settings.at("scale"), 4);
  EXPECT_EQ(settings.at("sampler"), "euler");

  // The same by flags alone: the same picture.
  const TinyRun other;
  ASSERT_EQ(
      other({"--prompt", "a red apple", "--n_samples", "1", "--n_iter", "1", "--sampler", "euler",
             "--seed", "12", "--scale", "4", "--reweight", "red=2", "--reweight", "apple=0.5"})
          .code,
      0);
  EXPECT_EQ(run.sample("00000.png").pixels, other.sample("00000.png").pixels);
}

}  // namespace
}  // namespace sd
