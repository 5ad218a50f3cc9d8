#include <memory>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kHelpDescription = R"(Prints help of the program, or of a command.

Examples:
  sd help
  sd help swap
  sd help swap --all)";

constexpr const char* kVersionDescription = R"(Prints the version, as --version does.

Examples:
  sd version)";

struct HelpOptions {
  std::string command;
  bool all = false;
};

int print_help(const HelpOptions& options, const CLI::App& app) {
  const auto mode = options.all ? CLI::AppFormatMode::All : CLI::AppFormatMode::Normal;
  const auto print = [](std::string text) {
    text.pop_back();  // its last line break
    StandardOutput().line(text);
    return static_cast<int>(ExitCode::kDone);
  };
  // Not app.help(), which would be help of this command.
  if (options.command.empty()) return print(app.get_formatter()->make_help(&app, "sd", mode));
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
    if (command->check_name(options.command)) return print(command->help("sd", mode));
  }
  reject_word("help", options.command, names);
}

}  // namespace

Command add_help(CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  auto* parser = app.add_subcommand("help", kHelpDescription)->group("Set-up");
  auto options = std::make_shared<HelpOptions>();
  parser->add_option("COMMAND", options->command, "The command")->type_name(words_type(names));
  parser->add_flag("--all", options->all, "Of every option, as --help-all");
  return {parser, [options, &app] { return print_help(*options, app); }};
}

Command add_version(CLI::App& app) {
  auto* parser = app.add_subcommand("version", kVersionDescription)->group("Set-up");
  return {parser, [] {
            StandardOutput().line("sd " SD_VERSION);
            return static_cast<int>(ExitCode::kDone);
          }};
}

}  // namespace sd::cli
