#include "cli/repeat_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "cli/infotext_command.h"
#include "cli/shell_words.h"
#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "sd/image/metadata.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kShortHash = 10;  // as model hashes are shown
constexpr std::size_t kMostArgs = 10'000;

/// Options that change no byte of a picture: where things go, what is shown and said. A picture
/// from elsewhere must not choose them for the reader either.
constexpr std::array kElsewhere = {"outdir",        "name",         "preview",      "preview-every",
                                   "save-latents",  "json",         "quiet",        "verbose",
                                   "words",         "is-get-attn",  "save-attn-dir", "dry-run"};
/// Those whose values are known only to the run, and `precision`, which says what dtype says.
constexpr std::array kSettled = {"seed", "device", "dtype", "precision", "threads"};
constexpr std::array kInputFiles = {"init-img",     "init-mask", "blend-mask",
                                    "init-latents", "from-file", "config"};

std::string dashed(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

template <std::size_t N>
bool is_one_of(const std::array<const char*, N>& names, std::string_view name) {
  return std::ranges::find(names, dashed(name)) != names.end();
}

bool is_elsewhere(std::string_view name) {
  return is_one_of(kElsewhere, name) || name == "attn" || name.starts_with("attn-");
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

/// So that what is no value is an option: values that begin with a dash are joined with "=".
void append_words(std::vector<std::string>& words, const GivenOption& option) {
  const auto name = "--" + option.name;
  if (!option.value) {
    words.push_back(name);
  } else if (option.value->starts_with('-') || option.value->empty()) {
    words.push_back(name + "=" + *option.value);
  } else {
    words.push_back(name);
    words.push_back(*option.value);
  }
}

std::vector<std::string> words_of(const GivenCommand& command) {
  std::vector<std::string> words = {command.name};
  for (const auto& option : command.options) append_words(words, option);
  return words;
}

/// Undoes words_of; nothing if it cannot have made them.
std::optional<GivenCommand> command_of(const std::vector<std::string>& words) {
  constexpr std::array kCommands = {"txt2img", "img2img", "swap", "attn"};
  if (words.empty() || !is_one_of(kCommands, words.front())) return std::nullopt;
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
  return command;
}

std::optional<GivenCommand> command_of(const Json& settings) {
  if (!settings.is_object() || !settings.contains("args")) return std::nullopt;
  const auto& args = settings["args"];
  if (!args.is_array() || args.size() > kMostArgs) return std::nullopt;
  std::vector<std::string> words;
  for (const auto& arg : args) {
    const auto* text = arg.get_ptr<const std::string*>();
    if (text == nullptr || text->find('\0') != std::string::npos) return std::nullopt;
    words.push_back(*text);
  }
  auto command = command_of(words);
  if (!command) return std::nullopt;
  std::erase_if(command->options, [](const GivenOption& option) { return is_elsewhere(option.name); });
  for (auto& option : command->options) {
    if (option.value) option.value = show_home(*option.value);
  }
  return command;
}

std::string hash_of(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return {};
  try {
    return sha256_file(file).substr(0, kShortHash);
  } catch (const IoError&) {
    return {};  // what cannot be read now is said when it is used
  }
}

template <typename Value>
Value value_at(const Json& object, const char* key, Value otherwise) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end()) return otherwise;
  if constexpr (std::is_same_v<Value, std::string>) {
    return found->is_string() ? found->template get<Value>() : otherwise;
  } else {
    return found->is_number_integer() ? found->template get<Value>() : otherwise;
  }
}

void note_files(const GivenCommand& command, const Json& settings,
                std::vector<std::string>& notes) {
  const auto hashes = settings.value("file_hashes", Json::object());
  for (const auto& [name, value] : command.options) {
    if (!value) continue;
    std::error_code ignored;
    const auto key = dashed(name);
    if (key == "from-file" && *value == "-") {
      notes.push_back("its prompts came from standard input: give the command the same ones there");
    } else if ((is_one_of(kInputFiles, name) || key == "ckpt") && !fs::exists(*value, ignored)) {
      notes.push_back(fmt::format("--{}: {} is not here", name, *value));
    } else if (const auto was = value_at(hashes, key.c_str(), std::string());
               !was.empty() && was != hash_of(*value)) {
      notes.push_back(fmt::format("--{}: {} has changed since", name, *value));
    }
  }
}

std::vector<std::string> notes_of(const GivenCommand& command, const Json& settings) {
  std::vector<std::string> notes;
  const auto& run = settings.contains("run") ? settings["run"] : settings;
  const auto pictures = value_at(run, "pictures", int64_t{1});
  if (value_at(run, "grid", int64_t{0}) > 0) {
    notes.push_back("a grid: the command draws all of its pictures again");
  } else if (pictures > 1) {
    notes.push_back(fmt::format(
        "picture {} of {} of its run: the command draws all of them, as they share their noise",
        value_at(run, "index", int64_t{0}) + 1, pictures));
  }
  if (!command.has("ckpt") && settings.contains("model")) {
    notes.push_back(fmt::format("no --ckpt was given; what was found was {} ({})",
                                value_at(settings["model"], "name", std::string("?")),
                                value_at(settings["model"], "hash", std::string("?"))));
  }
  const auto version = value_at(settings, "version", std::string("?"));
  if (version != SD_VERSION) {
    notes.push_back(fmt::format("made by sd {}, this is {}", version, SD_VERSION));
  }
  note_files(command, settings, notes);
  return notes;
}

}  // namespace

bool GivenCommand::has(std::string_view option) const {
  const auto wanted = dashed(option);
  return std::ranges::any_of(
      options, [&](const GivenOption& given) { return dashed(given.name) == wanted; });
}

Json repeat_args(const RunRecord& run) {
  const auto& options = run.options;
  GivenCommand command{options.given.name, {}};
  const bool has_picture = options.input.init_img.has_value();  // which decides the size
  for (auto option : options.given.options) {
    const bool size = option.name == "W" || option.name == "H";
    if (is_elsewhere(option.name) || is_one_of(kSettled, option.name)) continue;
    if (size && !has_picture) continue;
    if (option.value) option.value = hide_home(*option.value);
    command.options.push_back(std::move(option));
  }
  const auto add = [&](const char* name, std::string value) {
    command.options.push_back({name, std::move(value)});
  };
  if (!has_picture) {
    add("W", std::to_string(run.width));
    add("H", std::to_string(run.height));
  }
  add("seed", std::to_string(options.seed));
  add("device", run.device);
  add("dtype", run.dtype);
  add("threads", std::to_string(run.threads));
  return words_of(command);
}

std::map<std::string, std::string> hash_input_files(const GivenCommand& given) {
  std::map<std::string, std::string> hashes;
  for (const auto& [name, value] : given.options) {
    if (!value || !is_one_of(kInputFiles, name)) continue;
    auto hash = hash_of(*value);
    if (!hash.empty()) hashes[dashed(name)] = std::move(hash);
  }
  return hashes;
}

RepeatCommand repeat_command(const fs::path& picture) {
  const auto metadata = read_metadata(picture);
  for (const auto& [keyword, text] : metadata.texts) {
    if (keyword != "sd") continue;
    const auto settings = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    const auto command = command_of(settings);
    if (!command) continue;  // not ours, or spoiled: the infotext may be whole
    auto words = words_of(*command);
    words.insert(words.begin(), "sd");
    return {shell_line(words), notes_of(*command, settings)};
  }
  if (!metadata.parameters) {
    throw IoError(fmt::format(
        "{}: the picture does not say how it was made\nExpected the settings that sd writes, or "
        "the infotext of AUTOMATIC1111's web UI; image editors and many sites drop both.",
        picture.string()));
  }
  auto guess = command_of_infotext(*metadata.parameters);
  auto words = words_of(guess.command);
  words.insert(words.begin(), "sd");
  return {shell_line(words), std::move(guess.notes)};
}

}  // namespace sd::cli
