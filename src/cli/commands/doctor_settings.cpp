#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "cli/commands/doctor.h"
#include "cli/parser/settings.h"
#include "cli/parser/settings_check.h"
#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Options by the variables that set them, over all commands that draw.
std::map<std::string, OptionOutline> options_by_variable(const CLI::App& app) {
  std::map<std::string, OptionOutline> options;
  for (const CLI::App* command :
       app.get_subcommands([](const auto* c) { return is_drawing(*c); })) {
    for (const auto& option : settable_options(*command)) {
      for (const auto& name : option.names) {
        if (name.starts_with("--")) options.emplace(variable_name(name), option);
      }
    }
  }
  return options;
}

/// Variables of the process that begin with SD_ and hold something.
std::map<std::string, std::string> sd_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (!text.starts_with("SD_") || equals == std::string_view::npos) continue;
    if (equals + 1 < text.size())
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

void add_variables(const CLI::App& app, Json& report) {
  const auto options = options_by_variable(app);
  std::vector<std::string> known = {"SD_MODELS_DIR", "SD_EMBEDDING_DIR", "SD_DEPS_DIR",
                                    "SD_CPU_KERNELS", "SD_GPU_KERNELS"};  // no options, but ours
  for (const auto& option : options) known.push_back(option.first);
  for (const auto& [variable, value] : sd_variables()) {
    const auto option = options.find(variable);
    if (option != options.end()) {
      report["entries"].push_back({{"option", option->second.names.front()},
                                   {"value", value},
                                   {"source", variable},
                                   {"in_force", true}});
    } else if (std::ranges::find(known, variable) == known.end()) {
      const auto nearest_one = nearest(variable, known);
      report["unknown_variables"].push_back(
          {{"name", variable}, {"nearest", nearest_one ? Json(*nearest_one) : Json()}});
    }
  }
}

/// The variable that is set and wins over `entry`; empty if none does.
std::string stronger_variable(const FileSetting& entry, const CLI::App& app) {
  const auto set = sd_variables();
  const auto concerned = app.get_subcommands([&](const CLI::App* command) {
    return is_drawing(*command) && (entry.table.empty() || entry.table == command->get_name());
  });
  if (concerned.empty()) return {};
  for (const auto& [variable, option] : options_by_variable(app)) {
    if (is_named(option, entry.key) && set.contains(variable)) return variable;
  }
  return {};
}

void add_file(const std::filesystem::path& path, const CLI::App& app, Json& report) {
  const auto file = read_settings(path);
  check_settings(path, file, app);
  for (const auto& entry : file) {
    if (entry.key.empty()) continue;
    const auto stronger = stronger_variable(entry, app);
    const auto prefix = entry.table.empty() ? "" : "[" + entry.table + "] ";
    Json json = {{"option", prefix + entry.key},
                 {"value", fmt::format("{}", fmt::join(entry.values, ", "))},
                 {"source", place_of(path, entry.line)},
                 {"in_force", stronger.empty()}};
    if (!stronger.empty()) json["overridden_by"] = stronger;
    report["entries"].push_back(std::move(json));
  }
}

/// A flag's variable may hold what is neither true nor false.
void check_variables(const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands([](const auto* c) { return is_drawing(*c); }))
    environment_settings(*command);
}

}  // namespace

Json settings_report(const CLI::App& app) {
  const auto path = settings_path();
  Json report = {{"file", path ? Json(path->string()) : Json()},
                 {"problem", nullptr},
                 {"entries", Json::array()},
                 {"unknown_variables", Json::array()}};
  add_variables(app, report);
  try {
    check_variables(app);
    if (path) add_file(*path, app, report);
  } catch (const Error& error) {
    report["problem"] = error.what();
  }
  return report;
}

}  // namespace sd::cli
