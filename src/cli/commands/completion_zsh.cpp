#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/completion.h"
#include "cli/parser/option_synonyms.h"

namespace sd::cli {
namespace {

constexpr const char* kCompletionZshBegin =
    R"sh(#compdef sd
# Completion of sd for zsh, made by 'sd completion zsh'.
# For this shell: source <(sd completion zsh)
# For all: sd completion zsh > FOLDER/_sd, FOLDER being one of $fpath

_sd_models() {
  local -a names
  names=(${(f)"$(${(Q)sd_program} completion --models 2>/dev/null)"})
  compadd -a names
  _files
}

# Values in any case: DPM is dpm++_2m too.
_sd_words() {
  compadd -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}' "$@"
}

_sd() {
  local sd_program=$words[1]
  local -a commands
)sh";

std::string escaped(std::string text, const std::string& characters) {
  std::string safe;
  for (const char c : text) {
    if (characters.find(c) != std::string::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

std::string zsh_action_of(const OptionOutline& option) {
  switch (option.kind) {
    case ValueKind::kWords: {
      std::vector<std::string> words;
      for (const auto& word : option.words) words.push_back(shell_word(word));
      return fmt::format("_sd_words {}", fmt::join(words, " "));
    }
    case ValueKind::kFile:
      return "_files";
    case ValueKind::kFolder:
      return "_files -/";
    case ValueKind::kModel:
      return "_sd_models";
    default:
      return " ";  // a value that nothing completes
  }
}

/// What _arguments takes for one name of an option; '!' hides other spellings.
std::string specification(const OptionOutline& option, const std::string& name, bool shown) {
  const bool flag = option.kind == ValueKind::kFlag;
  // "-": a value in the next word or behind '='.
  auto text =
      fmt::format("{}{}{}{}[{}]", shown ? "" : "!", option.repeated ? "*" : "", name,
                  flag || !name.starts_with("--") ? "" : "=", escaped(option.help, "\\[]:"));
  if (!flag) text += fmt::format(":{}:{}", escaped(option.value, "\\:"), zsh_action_of(option));
  return shell_word(text);
}

std::string arguments_of(const AppOutline& command) {
  std::string text = "      _arguments -s";
  for (const auto& option : command.options) {
    const auto distinct = shown_names(option);
    for (const auto& name : option.names) {
      const bool shown = std::find(distinct.begin(), distinct.end(), name) != distinct.end();
      text += " \\\n        " + specification(option, name, shown);
    }
  }
  for (std::size_t i = 0; i < command.positionals.size(); ++i) {
    const auto& argument = command.positionals[i];
    const auto place = argument.repeated ? "*" : std::to_string(i + 1);
    text += " \\\n        " + shell_word(fmt::format("{}:{}:{}", place, argument.names.front(),
                                                     zsh_action_of(argument)));
  }
  return text + "\n";
}

}  // namespace

std::string zsh_completion(const AppOutline& app) {
  std::string text = kCompletionZshBegin;
  text += "  commands=(\n";
  for (const auto& command : app.commands) {
    text +=
        fmt::format("    {}\n", shell_word(command.name + ":" + escaped(command.summary, "\\:")));
  }
  for (const auto& option : app.options) {
    text += fmt::format("    {}\n",
                        shell_word(option.names.front() + ":" + escaped(option.help, "\\:")));
  }
  text +=
      "  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n"
      "  shift words\n  ((CURRENT--))\n  case $words[1] in\n";
  for (const auto& command : app.commands) {
    text += fmt::format("    {})\n{}      ;;\n", command.name, arguments_of(command));
  }
  return text +
         "  esac\n}\n\n# Loaded by compinit it is called at once, sourced it announces itself.\n"
         "if [[ $funcstack[1] == _sd ]]; then _sd \"$@\"; else compdef _sd sd; fi";
}

}  // namespace sd::cli
