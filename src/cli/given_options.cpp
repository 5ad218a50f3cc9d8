#include "cli/given_options.h"

#include <CLI/CLI.hpp>

namespace sd::cli {

GivenCommand given_command(const CLI::App& app) {
  GivenCommand command{app.get_name(), {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const auto& name = option->get_lnames().front();
    const bool flag = option->get_type_size() == 0;
    for (const auto& value : option->reduced_results()) {
      command.options.push_back(
          {name, flag && value == "true" ? std::nullopt : std::optional(value)});
    }
  }
  return command;
}

}  // namespace sd::cli
