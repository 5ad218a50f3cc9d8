#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd::cli {

/// One `key = value` of the configuration file.
struct FileSetting {
  enum class Type { kFlag, kWhole, kNumber, kText, kTexts, kOther };

  std::string table;  // "txt2img"; empty: all drawing commands
  std::string key;    // as written
  Type type = Type::kOther;
  std::vector<std::string> values;  // as the command line would give them
  int64_t line = 0;                 // counted from 1
};

/// `$XDG_CONFIG_HOME/sd/config.toml`, else `~/.config/sd/config.toml`; none without a home.
std::optional<std::filesystem::path> settings_path();

/// The entries of `path` in its order; none if there is no such file. Throws UsageError naming the
/// line where it is no TOML, IoError if it cannot be read.
std::vector<FileSetting> read_settings(const std::filesystem::path& path);

/// "config.toml:3", with the whole path.
std::string place_of(const std::filesystem::path& path, int64_t line);

/// What type a value has, for errors: "a number", "true or false".
const char* name_of(FileSetting::Type type);

}  // namespace sd::cli
