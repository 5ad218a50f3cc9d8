#include "cli/option_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/app_outline.h"
#include "sd/core/error.h"
#include "sd/image/infotext.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

constexpr std::size_t kHelpColumn = 32;
constexpr std::size_t kLongestType = 60;  // the words of a longer one would fill the line

template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.size() > 1 && text[0] == '+' && text[1] != '-')
    ++begin;  // from_chars knows no plus sign
  const auto [stopped, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

double parse_real(const std::string& option, const std::string& text, Range<double> range) {
  const auto number = parse_number<double>(text);
  if (number && std::isfinite(*number) && *number >= range.least && *number <= range.most)
    return *number;
  throw UsageError(fmt::format("{}: '{}' is not a number from {} to {}", option, text,
                               number_text(range.least), number_text(range.most)));
}

/// "--W" for "W,width".
std::string main_name(const std::string& names) { return "--" + names.substr(0, names.find(',')); }

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : distinct_names(outline_of(*option).names)) {
      if (name.starts_with("--")) names.push_back(name);
    }
  }
  return names;
}

}  // namespace

int64_t parse_whole(const std::string& option, const std::string& text, Range<int64_t> range) {
  const auto number = parse_number<int64_t>(text);
  if (number && *number >= range.least && *number <= range.most) return *number;
  throw UsageError(fmt::format("{}: '{}' is not a whole number from {} to {}", option, text,
                               range.least, range.most));
}

std::string spellings(const std::string& names) {
  std::string all;
  for (const auto& name : CLI::detail::split(names, ',')) {
    std::string dashed = name;
    std::string underscored = name;
    std::replace(dashed.begin(), dashed.end(), '_', '-');
    std::replace(underscored.begin(), underscored.end(), '-', '_');
    all += fmt::format("{}--{}", all.empty() ? "" : ",", name);
    if (dashed != underscored) all += ",--" + (name == dashed ? underscored : dashed);
  }
  return all;
}

std::string words_type(const std::vector<std::string>& words) {
  return "{" + CLI::detail::join(words, ",") + "}";
}

void reject_word(const std::string& option, const std::string& word,
                 const std::vector<std::string>& known) {
  throw UsageError(fmt::format("{}: '{}' is none of {}{}", option, word, fmt::join(known, ", "),
                               did_you_mean(word, known)));
}

CLI::Option* add_parsed(CLI::App& app, const std::string& name,
                        const std::function<void(const std::string&)>& parse,
                        const std::string& type, const std::string& help) {
  return app.add_option_function<std::string>(spellings(name), parse, help)->type_name(type);
}

CLI::Option* add_repeated(CLI::App& app, const std::string& name,
                          const std::function<void(const std::string&)>& parse,
                          const std::string& type, const std::string& help) {
  const auto parse_all = [parse](const std::vector<std::string>& values) {
    for (const auto& value : values) parse(value);
  };
  return app.add_option_function<std::vector<std::string>>(spellings(name), parse_all, help)
      ->type_name(type)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* add_whole(CLI::App& app, const std::string& name, int64_t& value, Range<int64_t> range,
                       const std::string& help) {
  const auto parse = [name = main_name(name), &value, range](const std::string& text) {
    value = parse_whole(name, text, range);
  };
  return add_parsed(app, name, parse, "N", help)->default_str(std::to_string(value));
}

CLI::Option* add_whole(CLI::App& app, const std::string& name, std::optional<int64_t>& value,
                       Range<int64_t> range, const std::string& help) {
  const auto parse = [name = main_name(name), &value, range](const std::string& text) {
    value = parse_whole(name, text, range);
  };
  return add_parsed(app, name, parse, "N", help);
}

CLI::Option* add_number(CLI::App& app, const std::string& name, double& value, Range<double> range,
                        const std::string& help) {
  const auto parse = [name = main_name(name), &value, range](const std::string& text) {
    value = parse_real(name, text, range);
  };
  return add_parsed(app, name, parse, "X", help)->default_str(number_text(value));
}

CLI::Option* add_number(CLI::App& app, const std::string& name, std::optional<double>& value,
                        Range<double> range, const std::string& help) {
  const auto parse = [name = main_name(name), &value, range](const std::string& text) {
    value = parse_real(name, text, range);
  };
  return add_parsed(app, name, parse, "X", help);
}

CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& value,
                      const std::string& help) {
  return add_parsed(
      app, name, [&value](const std::string& text) { value = text; }, "TEXT", help);
}

CLI::Option* add_path(CLI::App& app, const std::string& name,
                      std::optional<std::filesystem::path>& value, const std::string& type,
                      const std::string& help) {
  const auto parse = [name = main_name(name), &value](const std::string& text) {
    if (text.empty()) throw UsageError(fmt::format("{}: the path is empty", name));
    value = text;
  };
  return add_parsed(app, name, parse, type, help);
}

CLI::Option* add_device(CLI::App& app, DeviceChoice& value, const std::string& help) {
  const auto parse = [&value](const std::string& text) {
    try {
      value = parse_device(text);
    } catch (const UsageError& error) {
      const std::vector<std::string> known = {"auto", "cpu", "cuda"};
      throw UsageError(fmt::format("--device: {}{}", error.what(), did_you_mean(text, known)));
    }
  };
  return add_parsed(app, "device", parse, "{auto,cpu,cuda[:N]}", help);
}

void add_output_options(CLI::App& app, bool& json, bool& quiet, int& verbose) {
  app.add_flag("--json", json, "One JSON object a line on stdout instead of paths");
  app.add_flag("-q,--quiet", quiet, "Print errors only");
  app.add_flag("-v,--verbose", verbose, "Say more about model, device and time");
}

void set_parsing_rules(CLI::App& app) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.allow_extras();
}

void reject_extras(const CLI::App& app) {
  const auto extras = app.remaining();
  if (extras.empty()) return;
  const auto option = std::find_if(extras.begin(), extras.end(),
                                   [](const auto& word) { return word.starts_with('-'); });
  if (option == extras.end()) {
    throw UsageError(fmt::format(
        "unexpected argument '{}'\nText with spaces needs quotes: --prompt \"a red apple\".",
        extras.front()));
  }
  const auto name = option->substr(0, option->find('='));
  throw UsageError(fmt::format("unknown option '{}'{}\n'sd {} --help' lists all options.", name,
                               did_you_mean(name, option_names(app)), app.get_name()));
}

HelpFormatter::HelpFormatter() {
  column_width(kHelpColumn);
  label("Positionals", "Arguments");
}

std::string HelpFormatter::make_option_name(const CLI::Option* option, bool is_positional) const {
  if (is_positional) return option->get_name(true, false);
  std::vector<std::string> names;
  for (const auto& letter : option->get_snames()) names.push_back("-" + letter);
  for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return CLI::detail::join(distinct_names(names), ", ");
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0 || option->get_positional()) return {};
  const auto& preset = option->get_default_str();
  const auto type = option->get_type_name();
  return " " + (type.size() > kLongestType ? "NAME" : type) + (preset.empty() ? "" : "=" + preset);
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  const bool has_commands = !app->get_subcommands([](const CLI::App*) { return true; }).empty();
  const auto positionals =
      app->get_options([](const CLI::Option* option) { return option->get_positional(); });
  std::string usage =
      fmt::format("\nUsage: {} {}", name, has_commands ? "COMMAND [options]" : "[options]");
  for (const CLI::Option* positional : positionals) {
    usage += " " + positional->get_name(true, false);
    if (positional->get_items_expected_max() > 1) usage += "...";
  }
  return usage + "\n";
}

std::string HelpFormatter::make_subcommand(const CLI::App* app) const {
  const auto& description = app->get_description();
  std::ostringstream line;
  CLI::detail::format_help(line, app->get_name(), description.substr(0, description.find('\n')),
                           get_column_width());
  return line.str();
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  // The parser leaves two empty lines between groups.
  return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, std::move(name), mode),
                                       "\n\n\n", "\n\n");
}

}  // namespace sd::cli
