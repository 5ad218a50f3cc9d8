#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/engine/engine.h"
#include "cli/parser/command_words.h"
#include "cli/parser/help.h"
#include "cli/parser/option_groups.h"
#include "cli/parser/repeated_options.h"
#include "cli/parser/settings.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/memory_guard.h"
#include "cli/shell/shell_words.h"
#include "cli/shell/standard_streams.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
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
  sd help txt2img)";

/// What else the first word may be: a picture, a prompt.
std::string first_word_hint(const std::string& word, const std::vector<std::string>& names) {
  std::error_code ignored;
  if (std::filesystem::exists(word, ignored))
    return fmt::format("\nTo see what the file holds: {}", shell_line({"sd", "info", word}));
  if (word.find(' ') != std::string::npos)
    return fmt::format("\nTo draw it: {}", shell_line({"sd", "txt2img", "--prompt", word}));
  return did_you_mean(word, names);
}

[[noreturn]] void reject_command(const std::string& word, const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const auto& command : commands) names.push_back(command.parser->get_name());
  if (word.starts_with('-')) {
    throw UsageError(fmt::format(
        "unknown option '{}' before the command\nOptions follow the command: 'sd {} {} …'.", word,
        names.front(), word));
  }
  throw UsageError(fmt::format("unknown command '{}', expected one of {}{}", word,
                               fmt::join(names, ", "), first_word_hint(word, names)));
}

/// Help and version: to stdout, and an error if it cannot take them.
int print_and_end(const std::string& text) {
  StandardOutput().line(text.ends_with('\n') ? text.substr(0, text.size() - 1) : text);
  return static_cast<int>(ExitCode::kDone);
}

std::vector<Command> add_commands(CLI::App& app) {
  std::vector<Command> commands = {
      add_txt2img(app), add_img2img(app), add_swap(app),       add_attn(app),     add_invert(app),
      add_info(app),    add_convert(app), add_preprocess(app), add_samplers(app), add_bench(app)};
  for (auto& command : commands) add_settings_flag(*command.parser);
  for (const auto add : {add_doctor, add_completion, add_man, add_version, add_help})
    commands.push_back(add(app));
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

/// Errors name options as they were typed, and say where settings come from. Sets `json` if the
/// environment or the configuration file ask for JSON.
int run_with_settings(const Command& command, const CLI::App& app, const TypedNames& typed,
                      bool& json) {
  if (takes_settings(*command.parser)) require_working_folder();
  reject_repeated(*command.parser);
  const auto settings = read_and_apply(*command.parser, app);
  const auto* wants_json = command.parser->get_option_no_throw("--json");
  json = json || (wants_json != nullptr && wants_json->count() > 0 && wants_json->as<bool>());
  try {
    return command.run();
  } catch (const OutOfMemory&) {
    throw;  // no option is to blame, and there may be no memory for other words
  } catch (const Error& error) {
    throw Error(respelled(error.what() + whence(error.what(), settings), typed), error.code());
  }
}

/// The command that the first word names; none where that is one of the program's own options.
const Command* chosen_command(const std::string& word, const CLI::App& app,
                              const std::vector<Command>& commands) {
  for (const auto& command : commands) {
    if (command.parser->check_name(word)) return &command;
  }
  const bool own = word.starts_with('-') && app.get_option_no_throw(word) != nullptr;
  if (!own) reject_command(word, commands);
  return nullptr;
}

int parse_and_run(std::vector<std::string> words, bool& json) {
  CLI::App app(kDescription, "sd");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help");
  app.set_help_all_flag("--help-all", "Print help of every option");
  app.set_version_flag("-v,-V,--version", "sd " SD_VERSION, "Print the version");
  app.require_subcommand(0, 1);  // further words may have the name of one
  const auto commands = add_commands(app);
  if (words.empty()) {
    std::cerr << app.help();
    return static_cast<int>(ExitCode::kUsage);
  }
  const auto* chosen = chosen_command(words.front(), app, commands);
  if (chosen == nullptr) {
    words.resize(1);  // help and version want no more
  } else {
    words.erase(words.begin());
  }
  try {
    auto& parser = chosen == nullptr ? app : *chosen->parser;
    const auto typed = parse_words(app, parser, words);
    if (chosen->typed) *chosen->typed = typed;
    return run_with_settings(*chosen, app, typed, json);
  } catch (const CLI::CallForVersion&) {
    return print_and_end("sd " SD_VERSION);
  } catch (const CLI::CallForHelp&) {
    return print_and_end(app.help());
  } catch (const CLI::CallForAllHelp&) {
    return print_and_end(app.help("", CLI::AppFormatMode::All));
  }
}

/// The whole program, to its exit code.
int run_program(int argc, char** argv) {
  prepare_standard_streams();
  bool json = asks_for_json(argc, argv);
  const MemoryGuard memory(json);
  guard_mapped_files();
  std::string message;
  const int code = run_caught(
      [&] {
        return parse_and_run({argv + 1, argv + argc}, json);
      },
      /*verbose=*/false, message);
  if (!message.empty()) report_error(message, code, json);
  return conclude_output(code, output_error(), engine_output_error());
}

}  // namespace
}  // namespace sd::cli

int main(int argc, char** argv) { sd::cli::end_process(sd::cli::run_program(argc, argv)); }
