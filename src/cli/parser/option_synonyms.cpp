#include "cli/parser/option_synonyms.h"

#include <algorithm>

#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

std::string dashed_name(std::string_view name) {
  return (name.size() == 1 ? "-" : "--") + std::string(name);
}

}  // namespace

std::vector<std::string> synonyms_of(std::string_view option) {
  for (const auto& row : option_rows()) {
    if (first_name(row) == option) return split_names(row.synonyms);
  }
  return {};
}

bool is_synonym(const std::vector<std::string>& names, const std::string& name) {
  for (const auto& own : names) {
    if (!own.starts_with("--")) continue;
    // A short name is none of its long namesake's spellings: -W and --W.
    for (const auto& synonym : synonyms_of(own.substr(2))) {
      const auto other = dashed_name(synonym);
      if (other == name || (synonym.size() > 1 && bare_name(other) == bare_name(name))) return true;
    }
  }
  return false;
}

std::vector<std::string> shown_names(const OptionOutline& option) {
  auto shown = distinct_names(option.names);
  std::erase_if(shown, [&](const std::string& name) { return is_synonym(option.names, name); });
  return shown;
}

std::vector<std::string> other_names(const OptionOutline& option) {
  std::vector<std::string> synonyms;
  for (const auto& name : option.names) {
    if (is_synonym(option.names, name)) synonyms.push_back(name);
  }
  // -W beside --W: the same letters, another name.
  std::vector<std::string> distinct;
  for (const auto& name : synonyms) {
    const bool known = std::ranges::any_of(distinct, [&](const std::string& other) {
      return bare_name(other) == bare_name(name) &&
             other.starts_with("--") == name.starts_with("--");
    });
    if (!known) distinct.push_back(name);
  }
  return distinct;
}

}  // namespace sd::cli
