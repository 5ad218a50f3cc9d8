#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/sd_home.h"

namespace sd {
namespace {

using test::expect_error;
using test::run_sd;
using test::SdHome;

/// The dynamic linker says which files it opens; LibTorch, which takes 0.3 s, is none of them.
TEST(QuickStart, NothingButDrawingOpensLibTorch) {
  SdHome sd;
  sd.configure("steps = 20\n");
  sd.set("LD_DEBUG", "files");
  const std::vector<std::vector<std::string>> quick = {
      {"--help"},
      {"--version"},
      {"help", "swap"},
      {"txt2img", "--help"},
      {"info", SD_TEST_DATA "/tiny-v1.ckpt"},
      {"samplers"},
      {"completion", "bash"},
      {"completion", "--models"},
      {"man"},
      {"doctor"},
      {"txt2img", "--stepz", "20"},
      {"txt2img", "--sampler", "eulr"},
      {"txt2img", "--ckpt", "absent"},
      {"swap", "--prompt", "a cat", "--W", "100"},
  };
  for (const auto& arguments : quick) {
    const auto finished = sd(arguments);
    ASSERT_NE(finished.err.find("libc.so"), std::string::npos) << "the linker says nothing";
    EXPECT_EQ(finished.err.find("libtorch"), std::string::npos) << arguments.front();
    EXPECT_EQ(finished.err.find("libsd_engine"), std::string::npos) << arguments.front();
  }
}

TEST(Suggestions, NameTheNearest) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"txt2imgs"}, "'txt2img'"},
      {{"docter"}, "'doctor'"},
      {{"txt2img", "--promt", "x"}, "'--prompt'"},
      {{"txt2img", "--step", "20"}, "'--steps'"},
      {{"swap", "--sprmpt", "x"}, "'--sprompt'"},
      {{"doctor", "--jsn"}, "'--json'"},
      {{"txt2img", "--sampler", "eulr_a"}, "'euler_a'"},
      {{"txt2img", "--scheduler", "karas"}, "'karras'"},
      {{"txt2img", "--dtype", "bf61"}, "'bf16'"},
      {{"txt2img", "--device", "cdua"}, "'cuda'"},
      {{"txt2img", "--reweight", "x=1", "--layers", "midle"}, "'middle'"},
      {{"txt2img", "--prompt", "a red apple", "--reweight", "aple=2"}, "'apple'"},
  };
  for (const auto& [arguments, nearest] : cases)
    expect_error(run_sd(arguments), 2, {"Did you mean " + nearest + "?"});
}

TEST(HelpOfAll, BeginsWithExamplesAndIsInGroups) {
  const auto help = run_sd({"txt2img", "--help-all"}).out;
  const std::vector<std::string> order = {
      "Usage:", "Examples:", "What to draw:", "--ddim_steps, --steps N=50",
      "Model:", "Machine:",  "Output:",       "Exit codes:"};
  std::size_t at = 0;
  for (const auto& part : order) {
    at = help.find(part, at);
    ASSERT_NE(at, std::string::npos) << part << "\n" << help;
  }
}

TEST(Manual, IsReadByMan) {
  if (!std::filesystem::exists("/usr/bin/groff")) GTEST_SKIP() << "groff is not installed";
  SdHome home;
  test::write_text(home.path("sd.1"), run_sd({"man"}).out);
  test::ProcessSetup setup;
  setup.binary = "/usr/bin/env";
  setup.arguments = {"groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", home.path("sd.1")};
  const auto page = run_program(setup);
  EXPECT_EQ(page.code, 0);
  EXPECT_EQ(page.err, "");
  for (const char* part : {"NAME", "SYNOPSIS", "COMMANDS", "txt2img", "--negative-prompt TEXT",
                           "ENVIRONMENT", "SD_MODELS_DIR", "EXIT STATUS"})
    EXPECT_NE(page.out.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace sd
