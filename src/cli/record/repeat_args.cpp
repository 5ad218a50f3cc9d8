#include "cli/record/repeat_args.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "cli/options/option_table.h"
#include "sd/core/error.h"
#include "sd/core/sha256.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShortHash = 10;  // as model hashes are shown

bool has_role(std::string_view option, Role role) {
  const auto* row = find_row(option);
  return row != nullptr && row->role == role;
}

/// Changes no byte of a picture. A picture from elsewhere must not choose it for the reader either.
bool is_elsewhere(std::string_view option) { return has_role(option, Role::kElsewhere); }

bool is_settled(std::string_view option) {
  const auto* row = find_row(option);
  return row != nullptr && row->settled;
}

std::string home_folder() {
  const char* home = std::getenv("HOME");
  std::string folder = home == nullptr ? "" : home;
  while (folder.ends_with('/')) folder.pop_back();
  return folder.empty() ? folder : folder + "/";
}

/// A picture that is passed on need not name its maker's account. What begins with "~" gets another
/// one, so that it can be told apart.
std::string hide_home(const std::string& value) {
  const auto home = home_folder();
  if (!home.empty() && value.starts_with(home)) return "~/" + value.substr(home.size());
  return value.starts_with('~') ? "~" + value : value;
}

std::string show_home(const std::string& value) {
  if (value.starts_with("~/")) return home_folder() + value.substr(2);
  return value.starts_with("~~") ? value.substr(1) : value;
}

/// `change` made to a value that is a path, or to each of the parts of one that names several
/// files.
template <typename Change>
std::string with_paths(const GivenOption& option, Change change) {
  const auto* row = find_row(option.name);
  if (row == nullptr || !row->value.files) return change(*option.value);
  std::string changed;
  std::string_view rest = *option.value;
  for (bool more = true; more;) {
    const auto colon = rest.find(':');
    more = colon != rest.npos;
    changed += change(std::string(rest.substr(0, colon))) + (more ? ":" : "");
    rest.remove_prefix(more ? colon + 1 : rest.size());
  }
  return changed;
}

/// The files that a value names; of another version's value, which cannot be read here, itself.
std::vector<std::string> files_in(const OptionRow& row, const std::string& value) {
  if (!row.value.files) return {value};
  try {
    return row.value.files(value);
  } catch (const UsageError&) {
    return {value};
  }
}

/// So that what is no value is an option: values that begin with a dash are joined with "=".
void append_words(std::vector<std::string>& words, const GivenOption& option) {
  const auto name = "--" + option.name;
  if (!option.value) {
    words.push_back(name);
  } else if (option.value->starts_with('-')) {
    words.push_back(name + "=" + *option.value);
  } else {
    words.push_back(name);
    words.push_back(*option.value);
  }
}

}  // namespace

std::vector<std::string> words_of(const GivenCommand& command) {
  std::vector<std::string> words = {command.name};
  for (const auto& option : command.options) append_words(words, option);
  return words;
}

std::optional<GivenCommand> command_of_words(const std::vector<std::string>& words,
                                             std::vector<std::string>* unknown) {
  constexpr std::array<std::string_view, 4> kCommands = {"txt2img", "img2img", "swap", "attn"};
  if (words.empty() || std::ranges::find(kCommands, words.front()) == kCommands.end())
    return std::nullopt;
  GivenCommand command{words.front(), {}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) return std::nullopt;
    const auto equals = words[i].find('=');
    const auto name = words[i].substr(2, equals == std::string::npos ? equals : equals - 2);
    if (name.empty()) return std::nullopt;
    if (equals != std::string::npos) {
      command.options.push_back({name, words[i].substr(equals + 1)});
    } else if (i + 1 < words.size() && !words[i + 1].starts_with('-')) {
      command.options.push_back({name, words[++i]});
    } else {
      command.options.push_back({name, std::nullopt});
    }
  }
  std::erase_if(command.options, [unknown](const GivenOption& option) {
    if (find_row(option.name) != nullptr) return is_elsewhere(option.name);
    if (unknown != nullptr) unknown->push_back(option.name);
    return true;
  });
  for (auto& option : command.options) {
    if (option.value) option.value = with_paths(option, show_home);
  }
  return command;
}

std::string short_hash(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return {};
  try {
    return sha256_file(file).substr(0, kShortHash);
  } catch (const IoError&) {
    return {};  // what cannot be read now is said when it is used
  }
}

std::vector<NamedFile> named_files(const GivenCommand& command) {
  std::vector<NamedFile> files;
  std::map<std::string, int> times;
  for (const auto& [name, value] : command.options) {
    const bool input = names_input_file(name);
    if (!value || (!input && !names_model_file(name))) continue;
    const auto* row = find_row(name);
    const auto paths = files_in(*row, *value);
    const int time = ++times[dashed(name)];
    // Of an option that counts once, the last one does.
    const bool another = row->value.repeated && time > 1;
    const auto key = another ? fmt::format("{} {}", dashed(name), time) : dashed(name);
    for (const auto& path : paths)
      files.push_back({name, key, path, input && &path == &paths.back()});
  }
  return files;
}

bool names_input_file(std::string_view option) { return has_role(option, Role::kInputFile); }

bool names_model_file(std::string_view option) { return has_role(option, Role::kModelFile); }

nlohmann::ordered_json repeat_args(const RunRecord& run) {
  const auto& options = run.options;
  GivenCommand command{options.given.name, {}};
  const bool has_picture = options.input.init_img.has_value();  // which decides the size
  for (auto option : options.given.options) {
    const bool size = option.name == "W" || option.name == "H";
    if (is_elsewhere(option.name) || is_settled(option.name)) continue;
    if (size && !has_picture) continue;
    if (option.value) option.value = with_paths(option, hide_home);
    command.options.push_back(std::move(option));
  }
  const auto add = [&](const char* name, std::string value) {
    command.options.push_back({name, std::move(value)});
  };
  if (!has_picture) {
    add("W", std::to_string(run.width));
    add("H", std::to_string(run.height));
  }
  add("seed", std::to_string(options.seed.value()));
  // A GPU's number is the machine's affair: the picture is the same on its neighbour.
  add("device", run.device);
  add("dtype", run.dtype);
  add("threads", std::to_string(run.threads));
  return words_of(command);
}

std::map<std::string, std::string> hash_input_files(const GivenCommand& given) {
  std::map<std::string, std::string> hashes;
  for (const auto& file : named_files(given)) {
    auto hash = file.hashed ? short_hash(file.path) : std::string();
    if (!hash.empty()) hashes[file.key] = std::move(hash);
  }
  return hashes;
}

}  // namespace sd::cli
