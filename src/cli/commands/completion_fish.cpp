#include <fmt/format.h>

#include "cli/commands/completion.h"
#include "cli/parser/option_synonyms.h"
#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

constexpr std::size_t kHelpCharacters = 80;  // fish shows a line

constexpr const char* kCompletionFishBegin =
    R"(# Completion of sd for fish, made by 'sd completion fish'.
# For this shell: sd completion fish | source
# For all: sd completion fish > ~/.config/fish/completions/sd.fish

function __sd_command
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = $argv[1]
end

function __sd_no_command
    test (count (commandline -opc)) -eq 1
end

function __sd_models
    set -l words (commandline -opc)
    $words[1] completion --models 2>/dev/null
end

complete -c sd -f
)";

/// In fish's single quotes only these two characters are special.
std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') safe += '\\';
    safe += c;
  }
  return safe + "'";
}

std::string fish_action_of(const OptionOutline& option) {
  switch (option.kind) {
    case ValueKind::kFlag:
      return "";
    case ValueKind::kWords:
      return fmt::format(" -x -a {}", quoted(fmt::format("{}", fmt::join(option.words, " "))));
    case ValueKind::kFile:
      return " -r -F";
    case ValueKind::kFolder:
      return " -x -a '(__fish_complete_directories)'";
    case ValueKind::kModel:
      return " -r -F -a '(__sd_models)'";
    default:
      return " -x";
  }
}

std::string line_of(const std::string& condition, const OptionOutline& option) {
  std::string text = fmt::format("complete -c sd -n {}", quoted(condition));
  for (const auto& name : shown_names(option))
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  return fmt::format("{}{} -d {}\n", text, fish_action_of(option),
                     quoted(shorten(option.help, kHelpCharacters)));
}

}  // namespace

std::string fish_completion(const AppOutline& app) {
  std::string text = kCompletionFishBegin;
  for (const auto& option : app.options) text += line_of("__sd_no_command", option);
  for (const auto& command : app.commands) {
    text += fmt::format("\ncomplete -c sd -n __sd_no_command -a {} -d {}\n", command.name,
                        quoted(shorten(command.summary, kHelpCharacters)));
    const auto condition = "__sd_command " + command.name;
    for (const auto& option : command.options) text += line_of(condition, option);
    for (const auto& argument : command.positionals) {
      const bool words = argument.kind == ValueKind::kWords;
      text += fmt::format("complete -c sd -n {} {}\n", quoted(condition),
                          words ? fish_action_of(argument).substr(4) : "-F");
    }
  }
  text.pop_back();
  return text;
}

}  // namespace sd::cli
