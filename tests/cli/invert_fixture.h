#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"

namespace sd::test {

inline Image sloped_pattern(int64_t width, int64_t height, int64_t slope = 3) {
  Image image{width, height, 3, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>((x * slope + y * 5 + c * 40) % 256));
    }
  }
  return image;
}

/// Inverts a picture with the tiny model and draws along the file.
class InvertBinary : public ::testing::Test {
 protected:
  std::string picture(const std::string& name, const Image& image) const {
    const auto png = encode_png(image);
    return run.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  }
  /// Without the options that say a size or steps, which inversions decide.
  Finished command(const std::string& name, const std::vector<std::string>& arguments) const {
    auto setup = run.setup(arguments);
    setup.arguments.front() = name;
    for (const char* option : {"--H", "--W", "--ddim_steps"}) {
      const auto found = std::find(setup.arguments.begin(), setup.arguments.end(), option);
      if (std::find(arguments.begin(), arguments.end(), option) == arguments.end())
        setup.arguments.erase(found, found + 2);
    }
    if (name == "invert") {
      const auto found = std::find(setup.arguments.begin(), setup.arguments.end(), "--outdir");
      setup.arguments.erase(found, found + 2);
    }
    return run_program(setup);
  }
  Finished invert(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {start, "--prompt", "a cat", "-o", file, "--steps", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return command("invert", arguments);
  }
  Finished swap(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"--mode", "p2p", "--n_samples", "1", "--skip_grid"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return command("swap", arguments);
  }
  /// The file of a sample that is drawn again as it says.
  std::string drawn_again(std::size_t number) const {
    const auto asked = run_sd({"info", "--as-args", run.sample_path(number).string()});
    ProcessSetup shell;
    shell.binary = "/bin/sh";
    shell.arguments = {"-c", "PATH=\"$SD_FOLDER:$PATH\"; cd " + run.path("").string() + "; " +
                                 asked.out.substr(0, asked.out.find('\n')) + " --outdir again"};
    shell.environment = {{"XDG_CACHE_HOME", run.path("cache").string()},
                         {"SD_FOLDER", std::filesystem::path(SD_BINARY).parent_path().string()}};
    const auto again = run_program(shell);
    EXPECT_EQ(again.code, 0) << again.err;
    return bytes(run.path("again/samples/00000.png"));
  }
  std::string bytes(const std::filesystem::path& path) const { return read_text(path); }

  TinyRun run;
  const std::string start = picture("start.png", sloped_pattern(128, 64));
  const std::string file = run.path("start.inv.safetensors");
};

}  // namespace sd::test
