#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/sd_process.h"
#include "support/temp_folder.h"

namespace sd::test {

/// Runs `sd` with a configuration file, models and variables of its own.
class SdHome {
 public:
  SdHome() {
    std::filesystem::create_directories(folder_ / "config/sd");
    std::filesystem::create_directories(folder_ / "models");
  }

  /// Writes the configuration file; `line(n)` is how errors name its lines.
  void configure(std::string_view toml) const {
    write_text(folder_ / "config/sd/config.toml", toml);
  }
  std::string line(int number) const {
    return (folder_ / "config/sd/config.toml").string() + ":" + std::to_string(number) + ":";
  }
  void set(const std::string& variable, const std::string& value) {
    variables_.emplace_back(variable, value);
  }
  /// Makes SD_MODELS_DIR hold `name`, a copy of the tiny model, and its configuration.
  void add_model(const std::string& name) {
    const auto path = folder_ / "models" / name;
    std::filesystem::copy_file(SD_TEST_DATA "/tiny-v1.ckpt", path);
    std::filesystem::copy_file(SD_TEST_DATA "/tiny-v1.yaml",
                               std::filesystem::path(path).replace_extension(".yaml"),
                               std::filesystem::copy_options::overwrite_existing);
    set("SD_MODELS_DIR", folder_ / "models");
  }

  Finished operator()(const std::vector<std::string>& arguments) const {
    ProcessSetup setup;
    setup.arguments = arguments;
    setup.folder = folder_.path();
    setup.environment = {{"XDG_CONFIG_HOME", (folder_ / "config").string()},
                         {"XDG_CACHE_HOME", (folder_ / "cache").string()}};
    setup.environment.insert(setup.environment.end(), variables_.begin(), variables_.end());
    return run_program(setup);
  }

  std::filesystem::path path(std::string_view name) const { return folder_ / name; }

 private:
  TempFolder folder_;
  std::vector<std::pair<std::string, std::string>> variables_;
};

inline void expect_error(const Finished& finished, int code,
                         const std::vector<std::string>& parts) {
  EXPECT_EQ(finished.code, code) << finished.err;
  EXPECT_EQ(finished.out, "");
  for (const auto& part : parts)
    EXPECT_NE(finished.err.find(part), std::string::npos) << part << "\n" << finished.err;
}

}  // namespace sd::test
