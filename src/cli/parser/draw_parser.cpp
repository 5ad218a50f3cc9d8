#include "cli/parser/draw_parser.h"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/parser/option_groups.h"

namespace sd::cli {
namespace {

std::string help_of(const OptionRow& row, Commands command) {
  return (row.other_commands & command) != 0 ? std::string(row.other_help) : row.help;
}

CLI::Option* add_value(CLI::App& app, DrawOptions& options, const OptionRow& row,
                       const std::string& help) {
  const std::string names(row.names);
  const auto& value = row.value;
  if (value.flag) return app.add_flag(spellings(names), value.flag(options), help);
  if (value.count) return app.add_flag(spellings(names), value.count(options), help);
  // Rows live as long as the program.
  const auto read = [&options, &value, name = "--" + std::string(first_name(row))](
                        const std::string& text) { value.read(options, name, text); };
  return value.repeated ? add_repeated(app, names, read, value.type, help)
                        : add_parsed(app, names, read, value.type, help);
}

void add_row(CLI::App& app, DrawOptions& options, const OptionRow& row, Commands command) {
  app.option_defaults()->group(std::string(row.group));
  auto* option = add_value(app, options, row, help_of(row, command));
  auto preset = std::string(row.preset);
  if (preset.empty() && row.value.preset) preset = row.value.preset(options);
  if (!preset.empty()) option->default_str(preset);
}

}  // namespace

void add_draw_options(CLI::App& app, DrawOptions& options, Commands command) {
  set_parsing_rules(app);
  for (const auto& row : option_rows()) {
    if ((row.commands & command) != 0) add_row(app, options, row, command);
  }
}

void add_draw_option(CLI::App& app, DrawOptions& options, std::string_view name, Commands command) {
  if (const auto* row = find_row(name)) add_row(app, options, *row, command);
}

}  // namespace sd::cli
