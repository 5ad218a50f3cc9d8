#include "cli/parser/app_outline.h"

#include <algorithm>
#include <string_view>

namespace sd::cli {
namespace {

constexpr std::string_view kExamples = "Examples:\n";

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// The words of "{auto,cpu,cuda[:N]}"; what may follow a word is not completed, and FILE is none.
std::vector<std::string> words_of(const std::string& braces) {
  auto words = CLI::detail::split(braces.substr(1, braces.size() - 2), ',');
  std::erase_if(words, [](const std::string& word) { return word.starts_with("FILE"); });
  for (auto& word : words) word.resize(std::min(word.find('['), word.size()));
  return words;
}

ValueKind kind_of(std::string_view value) {
  if (value.starts_with('{')) return ValueKind::kWords;
  if (value.starts_with("FILE")) return ValueKind::kFile;
  if (value == "DIR") return ValueKind::kFolder;
  if (value == "MODEL") return ValueKind::kModel;
  if (value == "N") return ValueKind::kWhole;
  if (value == "X") return ValueKind::kNumber;
  return value == "TEXT" ? ValueKind::kText : ValueKind::kOther;
}

std::vector<std::string> lines_of_examples(const std::string& description) {
  const auto begin = description.find(kExamples);
  std::vector<std::string> lines;
  if (begin == std::string::npos) return lines;
  for (auto& line : CLI::detail::split(description.substr(begin + kExamples.size()), '\n'))
    lines.push_back(CLI::detail::trim(line));
  return lines;
}

}  // namespace

std::string bare_name(std::string_view name) {
  std::string bare(name.substr(std::min(name.find_first_not_of('-'), name.size())));
  std::replace(bare.begin(), bare.end(), '-', '_');
  return bare;
}

std::vector<std::string> distinct_names(const std::vector<std::string>& names) {
  std::vector<std::string> distinct;
  for (const auto& name : names) {
    const bool known = std::any_of(distinct.begin(), distinct.end(), [&](const auto& other) {
      return bare_name(other) == bare_name(name);
    });
    if (!known) distinct.push_back(name);
  }
  return distinct;
}

OptionOutline outline_of(const CLI::Option& option) {
  OptionOutline outline;
  for (const auto& name : option.get_lnames()) outline.names.push_back("--" + name);
  for (const auto& letter : option.get_snames()) outline.names.push_back("-" + letter);
  if (option.get_positional()) outline.names = {option.get_name(true)};
  outline.help = one_line(option.get_description());
  outline.group = option.get_group();
  outline.preset = option.get_default_str();
  outline.repeated = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll ||
                     option.get_items_expected_max() > 1;
  if (option.get_items_expected_max() == 0) return outline;
  outline.value = option.get_type_name();
  // A positional argument that says no type is named for what it is: FILE.
  if (option.get_positional() && outline.value == "TEXT") outline.value = outline.names.front();
  outline.kind = kind_of(outline.value);
  if (outline.kind == ValueKind::kWords) outline.words = words_of(outline.value);
  return outline;
}

AppOutline outline_of(const CLI::App& app) {
  const auto description = app.get_description();
  AppOutline outline;
  outline.name = app.get_name();
  outline.summary = description.substr(0, description.find('\n'));
  outline.examples = lines_of_examples(description);
  outline.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      outline.positionals.push_back(outline_of(*option));
    } else {
      outline.options.push_back(outline_of(*option));
    }
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    outline.commands.push_back(outline_of(*command));
  return outline;
}

}  // namespace sd::cli
