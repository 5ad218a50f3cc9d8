#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/parser/app_outline.h"
#include "cli/parser/settings_file.h"

namespace sd::cli {

/// An option's values from elsewhere than the command line.
struct Setting {
  std::string option;               // "--steps"
  std::vector<std::string> values;  // one, or more of an option that may be given again
  std::string source;               // "SD_STEPS", "/home/me/.config/sd/config.toml:3: steps"
  bool from_file = false;
};

/// Settings of equal rank; earlier layers win over later ones.
using SettingLayers = std::vector<std::vector<Setting>>;

/// Adds `--no-config`: such a command takes settings from the environment and the file.
void add_settings_flag(CLI::App& command);
bool takes_settings(const CLI::App& command);

/// Whether variables and keys outside of the file's tables are meant for `command`: it draws. What
/// dtype pictures are computed in says nothing about conversions.
bool is_drawing(const CLI::App& command);

/// "SD_N_SAMPLES" for "--n-samples".
std::string variable_name(std::string_view option);

/// Checks keys and types of all tables against the commands of `app`. Throws UsageError naming key,
/// file and line, with the nearest key.
void check_settings(const std::filesystem::path& path, const std::vector<FileSetting>& file,
                    const CLI::App& app);

/// What the environment says for `command`. Throws UsageError for a flag that is neither true nor
/// false.
std::vector<Setting> environment_settings(const CLI::App& command);

/// What the environment, the command's table and the top of the file say, in this order.
SettingLayers settings_for(const CLI::App& command, const std::filesystem::path& path,
                           const std::vector<FileSetting>& file);

/// Gives `command`, which is parsed, the settings of options that are not on its command line and
/// that nothing of higher rank answers too (--sampler decides about --plms). Returns those it gave.
/// Throws UsageError beginning with the source.
std::vector<Setting> apply_settings(CLI::App& command, const SettingLayers& layers);

/// Where the options that `message` names come from, a line each, to be appended to an error.
std::string whence(const std::string& message, const std::vector<Setting>& applied);

}  // namespace sd::cli
