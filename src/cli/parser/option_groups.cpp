#include "cli/parser/option_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/parser/option_synonyms.h"
#include "cli/shell/device_words.h"
#include "sd/core/error.h"
#include "sd/image/infotext.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

/// "--W" for "W,width".
std::string main_name(const std::string& names) { return "--" + names.substr(0, names.find(',')); }

}  // namespace

std::string spellings(const std::string& name) {
  auto names = CLI::detail::split(name, ',');
  for (auto& synonym : synonyms_of(names.front())) names.push_back(std::move(synonym));
  std::string all;
  const auto add = [&all](const std::string& spelling) {
    all += (all.empty() ? "" : ",") + spelling;
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    // A single letter among the synonyms is a short name; --W, --H, --C and --f are the original's.
    const bool is_short = i > 0 && names[i].size() == 1;
    auto dashed = names[i], underscored = names[i];
    std::replace(dashed.begin(), dashed.end(), '_', '-');
    std::replace(underscored.begin(), underscored.end(), '-', '_');
    add((is_short ? "-" : "--") + names[i]);
    if (dashed != underscored) add("--" + (names[i] == dashed ? underscored : dashed));
  }
  return all;
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
    if (text.empty()) throw_empty_path(name);
    value = text;
  };
  return add_parsed(app, name, parse, type, help);
}

CLI::Option* add_device(CLI::App& app, DeviceChoice& value, const std::string& help) {
  const auto parse = [&value](const std::string& text) { value = device_of_word(text); };
  return add_parsed(app, "device", parse, "{auto,cpu,cuda[:N]}", help);
}

void set_parsing_rules(CLI::App& app) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

}  // namespace sd::cli
