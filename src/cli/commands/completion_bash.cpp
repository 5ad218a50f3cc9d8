#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "cli/commands/completion.h"
#include "cli/parser/option_synonyms.h"

namespace sd::cli {
namespace {

constexpr const char* kCompletionBashBegin =
    R"(# Completion of sd for bash, made by 'sd completion bash'.
# For this shell: source <(sd completion bash)
# For all: sd completion bash > ~/.local/share/bash-completion/completions/sd

# Takes those of its arguments that begin as the current word does. Nothing is evaluated.
_sd_match() {
  local candidate
  for candidate; do
    [[ $candidate != "$current"* ]] || COMPREPLY+=("$candidate")
  done
  ((${#COMPREPLY[@]}))
}

# The same in any case, blanks as underscores: "DPM++ 2M" begins dpm++_2m.
_sd_match_loosely() {
  local candidate typed=${current,,}
  typed=${typed// /_}
  for candidate; do
    [[ ${candidate,,} != "$typed"* ]] || COMPREPLY+=("$candidate")
  done
}

_sd_words() {
  _sd_match "$@" || _sd_match_loosely "$@"
}

_sd_files() {
  local file
  compopt -o filenames 2>/dev/null
  while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen "$1" -- "$current")
}

_sd_models() {
  local -a names
  mapfile -t names < <("${COMP_WORDS[0]}" completion --models 2>/dev/null)
  _sd_words "${names[@]}"
  _sd_files -f
}

_sd() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  # The word as it was typed so far: with an open quote, with blanks behind backslashes.
  current=${current#[\"\']}
  current=${current//\\/}
)";

std::string words_of(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += " " + shell_word(word);
  return text;
}

/// What completes the value of an option; empty: nothing does.
std::string bash_action_of(const OptionOutline& option) {
  switch (option.kind) {
    case ValueKind::kWords:
      return "_sd_words" + words_of(option.words);
    case ValueKind::kFile:
      return "_sd_files -f";
    case ValueKind::kFolder:
      return "_sd_files -d";
    case ValueKind::kModel:
      return "_sd_models";
    default:
      return ":";
  }
}

std::string value_cases(const AppOutline& command) {
  std::string text;
  for (const auto& option : command.options) {
    if (option.kind == ValueKind::kFlag) continue;
    std::vector<std::string> patterns;
    for (const auto& name : option.names) patterns.push_back(shell_word(command.name + " " + name));
    text +=
        fmt::format("    {}) {}; return ;;\n", fmt::join(patterns, " | "), bash_action_of(option));
  }
  return text;
}

std::string name_case(const AppOutline& command) {
  std::vector<std::string> shown;
  std::vector<std::string> others;  // other spellings, for those who have begun one
  for (const auto& option : command.options) {
    const auto distinct = shown_names(option);
    for (const auto& name : option.names) {
      const bool first = std::find(distinct.begin(), distinct.end(), name) != distinct.end();
      (first ? shown : others).push_back(name);
    }
  }
  std::string text = fmt::format("    {})\n", command.name);
  std::set<std::string> actions;
  for (const auto& argument : command.positionals) actions.insert(bash_action_of(argument));
  for (const auto& action : actions)
    text += fmt::format("      [[ $current == -* ]] || {}\n", action);
  text += fmt::format("      _sd_match{}", words_of(shown));
  if (!others.empty()) text += fmt::format(" ||\n        _sd_match{}", words_of(others));
  return text + fmt::format(" ||\n        _sd_match_loosely{}\n      ;;\n", words_of(shown));
}

}  // namespace

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '+' || c == '.' || c == '/';
  });
  if (plain) return text;
  return "'" + CLI::detail::find_and_replace(text, "'", R"('\'')") + "'";
}

std::string bash_completion(const AppOutline& app) {
  std::string text = kCompletionBashBegin;
  std::vector<std::string> first;
  for (const auto& command : app.commands) first.push_back(command.name);
  for (const auto& option : app.options) {
    first.insert(first.end(), option.names.begin(), option.names.end());
  }
  text += fmt::format("  if ((COMP_CWORD == 1)); then\n    _sd_match{}\n    return\n  fi\n",
                      words_of(first));
  text += "  case \"${COMP_WORDS[1]} $previous\" in\n";
  for (const auto& command : app.commands) text += value_cases(command);
  text += "  esac\n  case ${COMP_WORDS[1]} in\n";
  for (const auto& command : app.commands) text += name_case(command);
  return text + "  esac\n}\n\ncomplete -F _sd sd";
}

}  // namespace sd::cli
