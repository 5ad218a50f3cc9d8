// `sd info --as-args` of pictures whose list of prompts came from standard input and is gone.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::contains;
using test::read_text;
using test::TinyRun;
using Names = std::vector<std::string>;

/// Draws a list of three prompts from standard input.
void draw_list(const TinyRun& run, const Names& more) {
  Names arguments = {"--from-file", "-", "--skip_grid", "--steps", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  auto setup = run.setup(arguments);
  setup.input = "a red cat\na blue dog\na house\n";
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
}

std::string command_for(const std::filesystem::path& picture) {
  const auto finished = test::run_sd({"info", "--as-args", picture});
  EXPECT_EQ(finished.code, 0) << finished.err;
  return finished.lines().empty() ? "" : finished.lines().front();
}

/// The pixels of what the command draws when bash runs it.
std::vector<uint8_t> drawn_by(const TinyRun& run, const std::string& command) {
  const auto folder = run.path("again");
  test::ProcessSetup setup;
  setup.binary = "/bin/bash";
  setup.arguments = {"-c",
                     "sd() { " SD_BINARY " \"$@\"; }\n" + command + " --outdir " + folder.string()};
  setup.environment = {{"XDG_CACHE_HOME", run.path("cache").string()}};
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 0) << command << finished.err;
  std::vector<uint8_t> pixels;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "samples")) {
    EXPECT_TRUE(pixels.empty()) << "more than one picture: " << command;
    pixels = read_image(entry.path()).pixels;
  }
  return pixels;
}

TEST(RepeatedList, APictureOfStandardInputIsDrawnFromItsPrompt) {
  const TinyRun run;
  draw_list(run, {"--n_samples", "1", "--n_iter", "1", "--sampler", "euler_a"});
  const auto command = command_for(run.sample_path(1));
  EXPECT_TRUE(contains(command, "--prompt 'a blue dog'")) << command;
  EXPECT_FALSE(contains(command, "--from-file")) << command;
  EXPECT_EQ(drawn_by(run, command), read_image(run.sample_path(1)).pixels);
}

TEST(RepeatedList, ALastSmallerBatchIsMadeAgain) {
  const TinyRun run;
  draw_list(run, {"--n_samples", "2", "--n_iter", "2", "--sampler", "euler_a"});
  const auto command = command_for(run.sample_path(5));
  EXPECT_TRUE(command.starts_with("yes -- 'a house' | head -n 3 | sd txt2img ")) << command;
  EXPECT_EQ(drawn_by(run, command), read_image(run.sample_path(5)).pixels);
}

TEST(RepeatedList, SeedsOfTheirOwnAreToldToo) {
  const TinyRun run;
  draw_list(run, {"--n_samples", "2", "--n_iter", "1", "--seed-mode", "image", "--seed",
                  "18446744073709551614"});
  const auto command = command_for(run.sample_path(2));
  EXPECT_TRUE(contains(command, "--seed 0 ")) << command;
  EXPECT_EQ(drawn_by(run, command), read_image(run.sample_path(2)).pixels);
}

}  // namespace
}  // namespace sd
