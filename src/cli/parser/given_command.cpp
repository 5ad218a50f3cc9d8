#include "cli/parser/given_command.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "cli/options/size_option.h"

namespace sd::cli {

namespace {

/// What --size stands for, so that pictures tell of --W and --H alone.
void add_sides(const PictureSize& size, GivenCommand& command) {
  const bool width = command.has("W"), height = command.has("H");
  if (!width) command.options.push_back({"W", std::to_string(size.width)});
  if (!height) command.options.push_back({"H", std::to_string(size.height)});
}

}  // namespace

GivenCommand given_command(const CLI::App& app) {
  GivenCommand command{app.get_name(), {}};
  std::optional<std::string> size;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const auto& name = option->get_lnames().front();
    if (name == kSizeOption) {
      size = option->reduced_results().front();
      continue;
    }
    const bool flag = option->get_items_expected_max() == 0;
    for (const auto& value : option->reduced_results()) {
      if (!flag) {
        command.options.push_back({name, value});
      } else if (value == "true") {  // the environment and files may also say false
        command.options.push_back({name, std::nullopt});
      }
    }
  }
  if (size) add_sides(parse_size(*size), command);
  return command;
}

}  // namespace sd::cli
