#include "cli/parser/settings_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>

#include "core/posix_file.h"
#include "core/text_encoding.h"
#include "core/user_folders.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Type = FileSetting::Type;

constexpr std::size_t kMaxBytes = 1 << 20;  // far above what anybody writes by hand

std::string read_whole(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    throw IoError(fmt::format("{} is not a file but {}", path.string(), kind_of(path)));
  auto text = read_start(path, kMaxBytes + 1);
  if (text.size() > kMaxBytes) {
    throw UsageError(fmt::format("{} is larger than a configuration file may be, {} bytes",
                                 path.string(), kMaxBytes));
  }
  return text;
}

/// Texts of an array as they are, of anything else no entry.
void set_texts(const toml::array& array, FileSetting& setting) {
  for (const auto& entry : array) {
    const auto text = entry.value_exact<std::string>();
    if (!text) return;
    setting.values.push_back(*text);
  }
  setting.type = Type::kTexts;
}

FileSetting setting_of(std::string table, std::string_view key, const toml::node& node) {
  FileSetting setting;
  setting.table = std::move(table);
  setting.key = key;
  setting.line = node.source().begin.line;
  if (const auto* flag = node.as_boolean()) {
    setting.type = Type::kFlag;
    setting.values = {flag->get() ? "true" : "false"};
  } else if (const auto* whole = node.as_integer()) {
    setting.type = Type::kWhole;
    setting.values = {std::to_string(whole->get())};
  } else if (const auto* number = node.as_floating_point()) {
    setting.type = Type::kNumber;
    setting.values = {fmt::format("{}", number->get())};
  } else if (const auto* text = node.as_string()) {
    setting.type = Type::kText;
    setting.values = {text->get()};
  } else if (const auto* array = node.as_array()) {
    set_texts(*array, setting);
  }
  return setting;
}

}  // namespace

std::optional<fs::path> settings_path() {
  const auto folder = user_folder("XDG_CONFIG_HOME", ".config");
  return folder ? std::optional(*folder / "sd" / "config.toml") : std::nullopt;
}

std::string place_of(const fs::path& path, int64_t line) {
  return fmt::format("{}:{}", path.string(), line);
}

const char* name_of(Type type) {
  switch (type) {
    case Type::kFlag:
      return "true or false";
    case Type::kWhole:
      return "a whole number";
    case Type::kNumber:
      return "a number";
    case Type::kText:
      return "a text in quotes";
    case Type::kTexts:
      return "a list of texts";
    case Type::kOther:
      break;
  }
  return "something else";
}

std::vector<FileSetting> read_settings(const fs::path& path) {
  if (!is_present(path)) return {};
  std::vector<FileSetting> settings;
  try {
    const auto whole = toml::parse(with_line_feeds(to_utf8(read_whole(path))), path.string());
    for (const auto& [key, node] : whole) {
      const auto* table = node.as_table();
      if (table == nullptr) {
        settings.push_back(setting_of("", key.str(), node));
        continue;
      }
      // An empty table has no entry to be checked by, so it stands for itself.
      if (table->empty()) settings.push_back(setting_of(std::string(key.str()), "", node));
      for (const auto& [inner_key, inner] : *table)
        settings.push_back(setting_of(std::string(key.str()), inner_key.str(), inner));
    }
  } catch (const toml::parse_error& problem) {
    throw UsageError(
        fmt::format("{}: {}", place_of(path, problem.source().begin.line), problem.description()));
  }
  std::ranges::stable_sort(settings, {}, &FileSetting::line);
  return settings;
}

}  // namespace sd::cli
