#include "cli/parser/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "cli/options/option_table.h"
#include "cli/parser/settings_check.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kNoConfig = "--no-config";

/// Bare names of what is given, and of what that decides besides.
std::set<std::string> answered(const CLI::App& command) {
  std::set<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0) continue;
    for (const auto& name : option->get_lnames()) {
      names.insert(bare_name(name));
      const auto* row = find_row(name);
      if (row == nullptr) continue;
      for (const auto& other : split_names(row->answers)) names.insert(bare_name(other));
    }
  }
  return names;
}

std::string flag_value(const std::string& variable, std::string value) {
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* yes : {"true", "1", "on", "yes"}) {
    if (value == yes) return "true";
  }
  for (const char* no : {"false", "0", "off", "no"}) {
    if (value == no) return "false";
  }
  throw UsageError(fmt::format("{}: '{}' is neither true nor false", variable, value));
}

/// The shell expands "~/" on a command line; a file has no shell.
std::string with_home(const std::string& value, ValueKind kind) {
  const bool is_path =
      kind == ValueKind::kFile || kind == ValueKind::kFolder || kind == ValueKind::kModel;
  const char* home = std::getenv("HOME");
  if (!is_path || !value.starts_with("~/") || home == nullptr) return value;
  return home + value.substr(1);
}

Setting from_file(const std::filesystem::path& path, const FileSetting& entry,
                  const OptionOutline& option) {
  Setting setting{option.names.front(), {}, place_of(path, entry.line) + ": " + entry.key, true};
  for (const auto& value : entry.values) setting.values.push_back(with_home(value, option.kind));
  return setting;
}

/// "--ddim_steps: 'x' is …" as "SD_STEPS: 'x' is …".
std::string blame(const Setting& setting, const std::string& message, const CLI::Option& option) {
  for (const auto& name : option.get_lnames()) {
    const auto start = "--" + name + ":";
    if (message.starts_with(start)) return setting.source + message.substr(start.size() - 1);
  }
  return setting.source + ": " + message;
}

void apply(CLI::App& command, const Setting& setting) {
  CLI::Option* option = command.get_option(setting.option);
  try {
    for (const auto& value : setting.values) option->add_result(value);
    option->run_callback();
  } catch (const UsageError& error) {
    throw UsageError(blame(setting, error.what(), *option));
  } catch (const CLI::ParseError& error) {
    throw UsageError(blame(setting, error.what(), *option));
  }
}

bool names_option(std::string_view message, const std::string& option) {
  for (std::size_t at = message.find(option); at != std::string_view::npos;
       at = message.find(option, at + 1)) {
    const auto after = at + option.size();
    if (after == message.size()) return true;
    const auto next = static_cast<unsigned char>(message[after]);
    if (std::isalnum(next) == 0 && next != '-' && next != '_') return true;
  }
  return false;
}

}  // namespace

void add_settings_flag(CLI::App& command) {
  command.add_flag("--no-config,--no_config")
      ->description("Leave the configuration file out")
      ->group("Options");
}

bool takes_settings(const CLI::App& command) {
  return command.get_option_no_throw(kNoConfig) != nullptr;
}

bool is_drawing(const CLI::App& command) {
  return takes_settings(command) && command.get_option_no_throw("--prompt") != nullptr &&
         command.get_option_no_throw("--outdir") != nullptr;
}

std::string variable_name(std::string_view option) {
  std::string name = bare_name(option);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  return "SD_" + name;
}

std::vector<Setting> environment_settings(const CLI::App& command) {
  std::vector<Setting> settings;
  if (!is_drawing(command)) return settings;
  for (const auto& option : settable_options(command)) {
    for (const auto& name : option.names) {
      const auto variable = variable_name(name);
      const char* value = std::getenv(variable.c_str());
      if (!name.starts_with("--") || value == nullptr || *value == '\0') continue;
      const bool flag = option.kind == ValueKind::kFlag;
      settings.push_back(
          {option.names.front(), {flag ? flag_value(variable, value) : value}, variable, false});
      break;
    }
  }
  return settings;
}

SettingLayers settings_for(const CLI::App& command, const std::filesystem::path& path,
                           const std::vector<FileSetting>& file) {
  SettingLayers layers = {environment_settings(command), {}, {}};
  // In the order of the options, since one may have to be read before another.
  for (const auto& option : settable_options(command)) {
    for (const auto& entry : file) {
      if (!is_named(option, entry.key)) continue;
      if (entry.table == command.get_name()) layers[1].push_back(from_file(path, entry, option));
      if (entry.table.empty() && is_drawing(command))
        layers[2].push_back(from_file(path, entry, option));
    }
  }
  return layers;
}

std::vector<Setting> apply_settings(CLI::App& command, const SettingLayers& layers) {
  std::vector<Setting> applied;
  for (const auto& layer : layers) {
    const auto taken = answered(command);
    for (const auto& setting : layer) {
      if (taken.contains(bare_name(setting.option))) continue;
      apply(command, setting);
      applied.push_back(setting);
    }
  }
  return applied;
}

std::string whence(const std::string& message, const std::vector<Setting>& applied) {
  std::string lines;
  for (const auto& setting : applied) {
    if (!names_option(message, setting.option) || message.starts_with(setting.source)) continue;
    const auto hint = setting.from_file ? fmt::format(" ({} leaves that file out)", kNoConfig) : "";
    lines += fmt::format("\n{} comes from {}{}", setting.option, setting.source, hint);
  }
  return lines;
}

}  // namespace sd::cli
