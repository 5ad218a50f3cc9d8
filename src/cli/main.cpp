#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/json_lines.h"
#include "cli/option_groups.h"
#include "cli/repeated_options.h"
#include "cli/settings.h"
#include "cli/text_output.h"
#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

constexpr const char* kDescription =
    R"(Draws pictures with Stable Diffusion v1 and v2, with control over its attention.

Examples:
  sd txt2img --prompt "a red apple on a wooden table"
  sd txt2img --ckpt v1-5-pruned-emaonly.safetensors --prompt "a fox in the snow" --steps 20
  sd info outputs/txt2img-samples/samples/00000.png
  sd doctor
  sd txt2img --help)";

[[noreturn]] void reject_command(const std::vector<std::string>& extras,
                                 const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const auto& command : commands) names.push_back(command.parser->get_name());
  if (extras.front().starts_with('-')) {
    throw UsageError(fmt::format(
        "unknown option '{}' before the command\nOptions follow the command: 'sd {} {} …'.",
        extras.front(), names.front(), extras.front()));
  }
  throw UsageError(fmt::format("unknown command '{}', expected one of {}{}", extras.front(),
                               fmt::join(names, ", "), did_you_mean(extras.front(), names)));
}

/// Help and version: to stdout, and an error if it cannot take them.
int print_and_end(const std::string& text) {
  StandardOutput().line(text.ends_with('\n') ? text.substr(0, text.size() - 1) : text);
  return static_cast<int>(ExitCode::kDone);
}

std::vector<Command> add_commands(CLI::App& app) {
  std::vector<Command> commands = {add_txt2img(app), add_img2img(app), add_swap(app),
                                   add_attn(app),    add_info(app),    add_convert(app),
                                   add_samplers(app)};
  for (auto& command : commands) add_settings_flag(*command.parser);
  for (const auto add : {add_doctor, add_completion, add_man}) commands.push_back(add(app));
  return commands;
}

/// What the environment and the file say for `command`, beside its command line.
std::vector<Setting> read_and_apply(CLI::App& command, const CLI::App& app) {
  if (!takes_settings(command)) return {};
  const auto path = settings_path();
  const bool no_file = !path || command.count("--no-config") > 0;
  const auto file = no_file ? std::vector<FileSetting>() : read_settings(*path);
  if (!no_file) check_settings(*path, file, app);
  return apply_settings(command, settings_for(command, path.value_or(""), file));
}

/// Whether the words of a command line, read or not, ask for JSON.
bool asks_for_json(int argc, char** argv) {
  return std::any_of(argv + 1, argv + std::max(argc, 1),
                     [](const char* word) { return word == std::string_view("--json"); });
}

/// Sets `json` if the environment or the configuration file ask for JSON.
int run_with_settings(const Command& command, const CLI::App& app, bool& json) {
  reject_repeated(*command.parser);
  const auto settings = read_and_apply(*command.parser, app);
  const auto* wants_json = command.parser->get_option_no_throw("--json");
  json = json || (wants_json != nullptr && wants_json->count() > 0 && wants_json->as<bool>());
  try {
    return command.run();
  } catch (const Error& error) {
    throw Error(error.what() + whence(error.what(), settings), error.code());
  }
}

int parse_and_run(int argc, char** argv, bool& json) {
  CLI::App app(kDescription, "sd");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", "sd " SD_VERSION, "Print the version");
  app.allow_extras();  // rejected below, with a better message than the parser's
  const auto commands = add_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    return print_and_end("sd " SD_VERSION);
  } catch (const CLI::CallForHelp&) {
    return print_and_end(app.help());
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  const auto chosen = std::find_if(commands.begin(), commands.end(),
                                   [](const Command& command) { return command.parser->parsed(); });
  const auto extras = app.remaining();
  if (!extras.empty()) reject_command(extras, commands);
  if (chosen == commands.end()) {
    std::cerr << app.help();
    return static_cast<int>(ExitCode::kUsage);
  }
  reject_extras(*chosen->parser);
  return run_with_settings(*chosen, app, json);
}

}  // namespace
}  // namespace sd::cli

int main(int argc, char** argv) {
  bool json = sd::cli::asks_for_json(argc, argv);
  std::string message;
  const int code = sd::cli::run_caught([&] { return sd::cli::parse_and_run(argc, argv, json); },
                                       /*verbose=*/false, message);
  if (!message.empty()) sd::cli::report_error(message, code, json);
  return code;
}
