#include "cli/parser/settings_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "cli/parser/option_hints.h"
#include "cli/parser/settings.h"
#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

using Type = FileSetting::Type;

bool fits(const OptionOutline& option, Type type) {
  if (option.repeated && type == Type::kTexts) return true;
  switch (option.kind) {
    case ValueKind::kFlag:
      return type == Type::kFlag;
    case ValueKind::kWhole:
      return type == Type::kWhole;
    case ValueKind::kNumber:
      return type == Type::kWhole || type == Type::kNumber;
    case ValueKind::kOther:  // "16,32", "0:0.5", or a number alone
      return type == Type::kText || type == Type::kWhole || type == Type::kNumber;
    default:
      return type == Type::kText;
  }
}

std::string expected(const OptionOutline& option) {
  const auto one = [&] {
    switch (option.kind) {
      case ValueKind::kFlag:
        return name_of(Type::kFlag);
      case ValueKind::kWhole:
        return name_of(Type::kWhole);
      case ValueKind::kNumber:
        return name_of(Type::kNumber);
      default:
        return name_of(Type::kText);
    }
  };
  return std::string(one()) + (option.repeated ? fmt::format(" or {}", name_of(Type::kTexts)) : "");
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return takes_settings(*command); });
}

/// Options that an entry of `table` may set. Throws UsageError, beginning with `place`, for a table
/// that is none.
std::vector<OptionOutline> options_of_table(const std::string& place, const std::string& table,
                                            const CLI::App& app) {
  std::vector<OptionOutline> options;
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    if (table.empty() ? !is_drawing(*command) : table != command->get_name()) continue;
    for (auto& option : settable_options(*command)) options.push_back(std::move(option));
  }
  if (!options.empty()) return options;
  throw UsageError(fmt::format("{}: unknown table [{}], expected one of {}{}", place, table,
                               fmt::join(names, ", "), did_you_mean(table, names)));
}

[[noreturn]] void reject_key(const std::string& place, const FileSetting& entry,
                             const std::vector<OptionOutline>& options, const CLI::App& app) {
  std::vector<std::string> elsewhere;
  for (const CLI::App* command : commands_of(app)) {
    const auto others = settable_options(*command);
    if (std::ranges::any_of(others, [&](const auto& o) { return is_named(o, entry.key); }))
      elsewhere.push_back(fmt::format("[{}]", command->get_name()));
  }
  const auto foreign = foreign_name_hint(entry.key, options);
  const auto hint = !foreign.empty() ? foreign
                    : elsewhere.empty()
                        ? did_you_mean(entry.key, keys_of(options))
                        : fmt::format("\nIt belongs under {}.", fmt::join(elsewhere, " or "));
  throw UsageError(fmt::format("{}: unknown key '{}'{}{}", place, entry.key,
                               entry.table.empty() ? "" : fmt::format(" in [{}]", entry.table),
                               hint));
}

}  // namespace

std::vector<OptionOutline> settable_options(const CLI::App& command) {
  std::vector<OptionOutline> options;
  for (const CLI::Option* option : command.get_options()) {
    const bool meta = option == command.get_help_ptr() || option == command.get_help_all_ptr() ||
                      option == command.get_option_no_throw("--no-config");
    if (!meta && !option->get_positional() && !option->get_lnames().empty())
      options.push_back(outline_of(*option));
  }
  return options;
}

std::vector<std::string> keys_of(const std::vector<OptionOutline>& options) {
  std::vector<std::string> keys;
  for (const auto& option : options) {
    for (const auto& name : distinct_names(option.names)) {
      if (name.starts_with("--")) keys.push_back(name.substr(2));
    }
  }
  return keys;
}

bool is_named(const OptionOutline& option, std::string_view key) {
  return std::ranges::any_of(option.names, [&](const auto& name) {
    return name.starts_with("--") && bare_name(name) == bare_name(key);
  });
}

void check_settings(const std::filesystem::path& path, const std::vector<FileSetting>& file,
                    const CLI::App& app) {
  std::map<std::pair<std::string, std::string>, int64_t> seen;  // table and option: its line
  for (const auto& entry : file) {
    const auto place = place_of(path, entry.line);
    const auto options = options_of_table(place, entry.table, app);
    if (entry.key.empty()) continue;  // an empty table
    const auto option =
        std::ranges::find_if(options, [&](const auto& o) { return is_named(o, entry.key); });
    if (option == options.end()) reject_key(place, entry, options, app);
    if (!fits(*option, entry.type)) {
      throw UsageError(fmt::format("{}: '{}' must be {}, this is {}", place, entry.key,
                                   expected(*option), name_of(entry.type)));
    }
    const auto [first, fresh] =
        seen.emplace(std::pair(entry.table, option->names.front()), entry.line);
    if (!fresh) {
      throw UsageError(fmt::format("{}: '{}' sets {}, which line {} does already", place, entry.key,
                                   option->names.front(), first->second));
    }
  }
}

}  // namespace sd::cli
