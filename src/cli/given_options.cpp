#include "cli/given_options.h"

#include <CLI/CLI.hpp>

namespace sd::cli {

GivenCommand given_command(const CLI::App& app) {
  GivenCommand command{app.get_name(), {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const auto& name = option->get_lnames().front();
    const bool flag = option->get_items_expected_max() == 0;
    for (const auto& value : option->reduced_results()) {
      if (!flag) {
        command.options.push_back({name, value});
      } else if (value == "true") {  // the environment and files may also say false
        command.options.push_back({name, std::nullopt});
      }
    }
  }
  return command;
}

}  // namespace sd::cli
