#pragma once

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/sd_process.h"
#include "sd/image/image.h"
#include "sd/image/read.h"
#include "support/temp_folder.h"

namespace sd::test {

/// Starts `sd txt2img` with the tiny model of tests/data: 128x128 pixels, two steps, in a folder of
/// its own.
class TinyRun {
 public:
  /// The setup for these arguments; later ones win over the ones that make it small.
  ProcessSetup setup(const std::vector<std::string>& arguments) const {
    ProcessSetup setup;
    setup.arguments = {"txt2img",
                       "--ckpt",
                       SD_TEST_DATA "/tiny-v1.ckpt",
                       "--outdir",
                       outdir().string(),
                       "--H",
                       "128",
                       "--W",
                       "128",
                       "--ddim_steps",
                       "2",
                       "--device",
                       "cpu",
                       "--dtype",
                       "f32",
                       "--threads",
                       "1"};
    setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
    // Hashes are remembered in a file of the user's otherwise.
    setup.environment = {{"XDG_CACHE_HOME", (folder_ / "cache").string()}};
    return setup;
  }

  Finished operator()(const std::vector<std::string>& arguments) const {
    return run_program(setup(arguments));
  }

  std::filesystem::path outdir() const { return folder_ / "out"; }
  std::filesystem::path path(std::string_view name) const { return folder_ / name; }
  std::string file(std::string_view name, std::string_view contents) const {
    write_text(folder_ / name, contents);
    return folder_ / name;
  }

  /// Names of the pictures written so far, sorted.
  std::vector<std::string> samples() const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(outdir() / "samples", none)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with('.')) names.push_back(name);  // what a killed process was writing
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Image sample(const std::string& name) const { return read_image(outdir() / "samples" / name); }
  /// The picture that is the i-th, counted from 0.
  std::filesystem::path sample_path(std::size_t i) const {
    return outdir() / "samples" / samples().at(i);
  }

 private:
  TempFolder folder_;
};

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// What `--json` wrote for the single pictures.
inline std::vector<nlohmann::json> image_lines(const Finished& finished) {
  std::vector<nlohmann::json> lines;
  for (const auto& line : finished.lines()) {
    auto json = nlohmann::json::parse(line);
    if (json.at("kind") == "image") lines.push_back(std::move(json));
  }
  return lines;
}

}  // namespace sd::test
