#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "cli/sd_home.h"

namespace sd {
namespace {

using nlohmann::json;
using test::SdHome;

json report(const SdHome& sd) {
  const auto finished = sd({"doctor", "--json"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  return json::parse(finished.out);
}

TEST(Doctor, DescribesTheMachine) {
  const auto found = report(SdHome());
  EXPECT_GE(found.at("cpu").at("cores"), 1);
  EXPECT_EQ(found.at("cpu").at("logical_cpus"), std::thread::hardware_concurrency());
  EXPECT_GT(found.at("memory").at("total"), found.at("memory").at("available"));
  // 1,066,235,307 parameters of 4 and 2 bytes, and a GiB.
  EXPECT_EQ(found.at("memory").at("needed_f32"), int64_t{4'264'941'228} + (1 << 30));
  EXPECT_EQ(found.at("memory").at("needed_bf16"), int64_t{2'132'470'614} + (1 << 30));
  EXPECT_EQ(found.at("paths").at("binary"), std::filesystem::canonical(SD_BINARY).string());
  EXPECT_FALSE(found.at("slow").empty());
}

TEST(Doctor, FindsModelsByTheirHeaders) {
  SdHome sd;
  sd.add_model("tiny.ckpt");
  test::write_text(sd.path("models/broken.safetensors"), "no tensors");
  const auto models = report(sd).at("models");
  const auto named = [&](const std::string& name) {
    const auto found =
        std::ranges::find_if(models, [&](const auto& m) { return m.at("name") == name; });
    return found == models.end() ? json() : *found;
  };
  EXPECT_EQ(named("tiny").at("family"), "Stable Diffusion v1");
  EXPECT_GT(named("tiny").at("bytes"), 1000);
  EXPECT_TRUE(named("tiny").at("problem").is_null());
  EXPECT_TRUE(named("broken").at("problem").is_string());
}

TEST(Doctor, ShowsWhichSettingsAreInForce) {
  SdHome sd;
  sd.configure("steps = 30\n[swap]\nmode = \"p2p\"\n");
  sd.set("SD_STEPS", "20");
  sd.set("SD_SEEDS", "3");
  const auto settings = report(sd).at("settings");
  const auto& entries = settings.at("entries");
  ASSERT_EQ(entries.size(), 3u) << entries;
  EXPECT_EQ(entries[0], (json{{"option", "--ddim_steps"},
                              {"value", "20"},
                              {"source", "SD_STEPS"},
                              {"in_force", true}}));
  EXPECT_EQ(entries[1].at("overridden_by"), "SD_STEPS");
  EXPECT_EQ(entries[1].at("in_force"), false);
  EXPECT_EQ(entries[2].at("option"), "[swap] mode");
  EXPECT_EQ(entries[2].at("source").get<std::string>() + ":", sd.line(3));
  EXPECT_EQ(settings.at("unknown_variables")[0],
            (json{{"name", "SD_SEEDS"}, {"nearest", "SD_SEED"}}));
}

TEST(Doctor, ReportsAWrongConfigurationAndGoesOn) {
  SdHome sd;
  sd.configure("stepz = 3\n");
  const auto finished = sd({"doctor"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_NE(finished.out.find("unknown key 'stepz'"), std::string::npos) << finished.out;
  EXPECT_NE(finished.out.find("Slow here"), std::string::npos) << finished.out;
}

/// Puts `sd` on a machine with the fake driver and so many GPUs.
void give_gpus(SdHome& sd, const std::string& gpus) {
  for (const char* name : {"libcuda.so.1", "libnvidia-ml.so.1"})
    std::filesystem::create_symlink(SD_FAKE_CUDA, sd.path(name));
  sd.set("LD_LIBRARY_PATH", sd.path(""));
  sd.set("SD_FAKE_GPUS", gpus);
}

TEST(Doctor, TellsOfEachGpuWhatItsDriverSays) {
  SdHome sd;
  give_gpus(sd, "2");
  const auto gpu = report(sd).at("gpu");
  EXPECT_EQ(gpu.at("cuda"), "13.2");
  EXPECT_TRUE(gpu.at("problem").is_null());
  ASSERT_EQ(gpu.at("devices").size(), 2u);
  EXPECT_EQ(gpu.at("devices")[1], (json{{"device", "cuda:1"},
                                        {"name", "Fake 1"},
                                        {"memory", int64_t{81} << 30},
                                        {"free", int64_t{80} << 30},
                                        {"compute_capability", "9.0"}}));
  const auto text = sd({"doctor"}).out;
  EXPECT_NE(text.find("cuda:1             Fake 1, 80.0 GiB free, 81.0 GiB in all, compute "
                      "capability 9.0\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("for CUDA up to 13.2\n"), std::string::npos) << text;
}

TEST(Doctor, SaysWhyADriverGivesNoGpu) {
  SdHome sd;
  give_gpus(sd, "0");
  const auto gpu = report(sd).at("gpu");
  EXPECT_TRUE(gpu.at("devices").empty());
  EXPECT_NE(gpu.at("problem").get<std::string>().find("the driver shows no GPU"),
            std::string::npos);
}

TEST(Doctor, PrintsNothingThatCouldSteerATerminal) {
  SdHome sd;
  sd.set("SD_PROMPT", "\x1b[31mred");
  const auto finished = sd({"doctor"});
  EXPECT_EQ(finished.out.find('\x1b'), std::string::npos);
  EXPECT_NE(finished.out.find("\\x1b[31mred"), std::string::npos) << finished.out;
}

}  // namespace
}  // namespace sd
