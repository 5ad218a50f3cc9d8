#include "cli/tasks/task_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"
#include "cli/parser/command_words.h"
#include "cli/parser/given_command.h"
#include "cli/parser/option_groups.h"
#include "cli/parser/option_hints.h"
#include "cli/parser/repeated_options.h"
#include "cli/parser/settings_check.h"
#include "cli/plan/prompt_list.h"
#include "cli/record/confined_paths.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Whether tasks have nothing to say of an option: of `name`, "--outdir", in this scope.
bool is_of(Scope scope, std::string_view name) {
  const auto* row = find_row(bare_name(name));
  return row != nullptr && row->scope == scope;
}

bool is_of_the_run(std::string_view name) { return is_of(Scope::kRun, name); }

bool is_of_the_machine(std::string_view name) { return is_of(Scope::kMachine, name); }

/// The options that were given, in the order in which the parser lists them.
std::vector<Setting> given_settings(const CLI::App& command) {
  std::vector<Setting> settings;
  for (const auto& outline : settable_options(command)) {
    const CLI::Option* option = command.get_option(outline.names.front());
    if (option->count() == 0) continue;
    auto values = option->results();
    if (!outline.repeated) values.erase(values.begin(), values.end() - 1);  // the last one wins
    settings.push_back({outline.names.front(), std::move(values), outline.names.front(), false});
  }
  return settings;
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_text(const OptionOutline& option) {
  return option.kind == ValueKind::kText || option.kind == ValueKind::kFile ||
         option.kind == ValueKind::kFolder || option.kind == ValueKind::kModel;
}

/// A number as the command line would have it: 2.0 and 1e1 are whole ones.
std::string number_word(const Json& value) {
  constexpr double kExact = 9007199254740992;  // 2^53: up to here a double holds every one
  const double number = value.get<double>();
  const bool whole = value.is_number_float() && std::trunc(number) == number;
  return whole && std::abs(number) <= kExact ? std::to_string(static_cast<int64_t>(number))
                                             : value.dump();
}

/// One value of JSON as the command line would have it.
std::string value_text(const std::string& key, const Json& value, const OptionOutline& option) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const auto reason = why_no_prompt(text);  // the command line could not hold it either
    if (!reason.empty()) throw UsageError(fmt::format("{}: its text {}", key, reason));
    return text;
  }
  if (value.is_number() && !is_text(option)) return number_word(value);
  throw UsageError(fmt::format("{}: {} is no value of this option, expected {}", key, dump(value),
                               is_text(option) ? "a text in quotes" : "a text or a number"));
}

/// Nothing for null and an empty array, which say no more than an absent key.
std::optional<Setting> object_setting(const std::string& key, const Json& value,
                                      const OptionOutline& option) {
  if (value.is_null() || (value.is_array() && value.empty())) return std::nullopt;
  Setting setting{option.names.front(), {}, key, false};
  if (option.kind == ValueKind::kFlag) {
    if (!value.is_boolean()) throw UsageError(fmt::format("{}: expected true or false", key));
    setting.values = {value.get<bool>() ? "true" : "false"};
    return setting;
  }
  if (!value.is_array()) {
    setting.values = {value_text(key, value, option)};
    return setting;
  }
  for (const auto& part : value) setting.values.push_back(value_text(key, part, option));
  if (option.repeated || setting.values.size() == 1) return setting;
  if (is_text(option)) {
    throw UsageError(fmt::format("{}: expected one text, found {}\nWrite a task for each.", key,
                                 setting.values.size()));
  }
  setting.values = {fmt::format("{}", fmt::join(setting.values, ","))};
  return setting;
}

/// A line's object. A key that it has twice is an error: JSON leaves open which of the two counts.
Json parse_object(const std::string& text) {
  std::set<std::string> keys;
  std::string twice;
  auto object = Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool key = depth == 1 && event == Json::parse_event_t::key;
    if (key && !keys.insert(parsed.get<std::string>()).second) twice = parsed.get<std::string>();
    return true;
  });
  if (!object.is_object()) {
    throw UsageError(
        "it is JSON, but no object {\"prompt\": …}\nAn array of objects belongs in a file whose "
        "name ends in .json.");
  }
  if (!twice.empty()) throw UsageError(fmt::format("it has the key '{}' twice", twice));
  return object;
}

/// A line of nothing but a prompt, or of a source and a target.
std::vector<Setting> prompt_settings(const std::string& text, DrawTask command) {
  const auto tab = command == DrawTask::kSwap ? text.find('\t') : std::string::npos;
  if (tab == std::string::npos) return {{"--prompt", {text}, "prompt", false}};
  return {{"--sprompt", {text.substr(0, tab)}, "source", false},
          {"--prompt", {text.substr(tab + 1)}, "target", false}};
}

/// The words of a line such as "--prompt 'a cat' --steps 3", parsed. Returns the names that were
/// typed.
TypedNames parse_line(CLI::App& app, CLI::App& command, const std::string& line) {
  try {
    auto typed = parse_words(app, command, split_words(line));
    reject_repeated(command);
    return typed;
  } catch (const CLI::Success&) {
    throw UsageError("help and version have no place among a task's options");
  } catch (const UsageError& error) {
    const auto begin = line.find_first_of('-');
    const auto first = line.substr(begin, line.find_first_of("= \t", begin) - begin);
    if (command.get_option_no_throw(first) != nullptr) throw;
    throw UsageError(
        fmt::format("{}\nA prompt that begins with dashes is written as --prompt \"{} …\".",
                    error.what(), first));
  }
}

/// The keys of an object, as errors are to name its options.
TypedNames keys_typed(const std::vector<Setting>& settings, const CLI::App& command) {
  TypedNames typed;
  for (const auto& setting : settings)
    typed.push_back({outline_of(*command.get_option(setting.option)).names, setting.source});
  return typed;
}

/// What a task itself says, in its line or its object.
std::vector<Setting> own_settings(const CLI::App& command, const SettingLayers& layers) {
  auto own = given_settings(command);
  for (const auto& layer : layers) own.insert(own.end(), layer.begin(), layer.end());
  return own;
}

void reject_foreign(const std::vector<Setting>& own) {
  for (const auto& setting : own) {
    if (!is_of_the_run(setting.option) && !is_of_the_machine(setting.option)) continue;
    throw UsageError(fmt::format("{} cannot differ from task to task; give it beside --from-file",
                                 setting.option));
  }
}

/// What a model without a slash that is not there is: a name among the models of SD_MODELS_DIR.
bool is_model_name(const OptionOutline& option, const std::string& value) {
  return option.kind == ValueKind::kModel && value.find('/') == value.npos && !sd::is_named(value);
}

/// `--confined`: what a task writes stays below the folder of the run, what it reads is there too
/// or beside the list.
void confine(const CLI::App& command, const std::vector<Setting>& own, const DrawOptions& run) {
  std::vector<std::filesystem::path> readable = {run.folder()};
  if (run.from_file && *run.from_file != "-")
    readable.push_back(std::filesystem::absolute(*run.from_file).parent_path());
  for (const auto& setting : own) {
    const auto option = outline_of(*command.get_option(setting.option));
    const bool preview = bare_name(setting.option) == "preview";
    const bool written = preview || dashed(bare_name(setting.option)) == "save-mask";
    const bool names_path = option.kind == ValueKind::kFile || option.kind == ValueKind::kModel ||
                            option.kind == ValueKind::kFolder;
    const auto* row = find_row(bare_name(setting.option));
    const bool several = row != nullptr && row->value.files;
    if (!names_path && !preview && !several) continue;
    std::vector<std::string> values;
    for (const auto& value : setting.values) {
      for (auto& path : several ? row->value.files(value) : std::vector{value})
        values.push_back(std::move(path));
    }
    for (const auto& value : values) {
      if (preview && !value.ends_with(".png")) continue;  // a terminal
      if (is_model_name(option, value)) continue;
      if (written || option.kind == ValueKind::kFolder) {
        require_confined(run.folder(), value, setting.option);
      } else {
        require_readable(readable, value, setting.option);
      }
    }
  }
}

}  // namespace

std::vector<Setting> object_settings(const std::string& text, const CLI::App& command) {
  Json object;
  try {
    object = parse_object(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw UsageError(fmt::format(
        "it is not a whole JSON object: {} at byte {}{}",
        error.byte > text.size() ? "it ends too early," : "something does not fit", error.byte,
        text.starts_with('[') || text.ends_with(',')
            ? "\nAn array over several lines belongs in a file whose name ends in .json."
            : ""));
  } catch (const nlohmann::json::out_of_range&) {
    throw UsageError("it has a number that is too large");
  }
  const auto options = settable_options(command);
  // In the order of the options, since one may have to be read before another.
  std::vector<std::vector<Setting>> by_option(options.size());
  for (const auto& [key, value] : object.items()) {
    const auto found = std::ranges::find_if(
        options, [&key = key](const OptionOutline& option) { return is_named(option, key); });
    if (found == options.end()) {
      const auto foreign = foreign_name_hint(key, options);
      throw UsageError(
          fmt::format("unknown key '{}'{}", key,
                      foreign.empty() ? did_you_mean(key, keys_of(options)) : foreign));
    }
    auto& settings = by_option[static_cast<std::size_t>(found - options.begin())];
    if (!settings.empty()) {
      throw UsageError(
          fmt::format("'{}' and '{}' are the same option", settings.front().source, key));
    }
    if (auto setting = object_setting(key, value, *found)) settings.push_back(std::move(*setting));
  }
  std::vector<Setting> all;
  for (auto& settings : by_option) std::ranges::move(settings, std::back_inserter(all));
  return all;
}

TaskParser::TaskParser(const DrawCommand& command, MakeDrawCommand make)
    : base_(*command.options), typed_(*command.typed), make_(make) {
  for (auto& setting : given_settings(*command.parser)) {
    if (is_of_the_run(setting.option)) continue;
    if (!is_of_the_machine(setting.option))
      own_[bare_name(setting.option)] =
          setting.values.size() == 1 ? Json(setting.values[0]) : Json(setting.values);
    inherited_.push_back(std::move(setting));
  }
}

DrawOptions TaskParser::finish(DrawCommand& task, SettingLayers layers, int64_t seed_offset,
                               bool needs_prompt) const {
  const auto own = own_settings(*task.parser, layers);
  reject_foreign(own);
  if (base_.batch.confined) confine(*task.parser, own, base_);
  auto& options = *task.options;
  layers.push_back(inherited_);
  layers.push_back({{"--n_samples", {"1"}, "", false},
                    {"--n_iter", {"1"}, "", false},
                    {"--skip_grid", {"true"}, "", false}});
  apply_settings(*task.parser, layers);
  if (needs_prompt && task.parser->count("--prompt") == 0) {
    throw UsageError("it has no prompt\nGive it one, or --prompt beside --from-file.");
  }
  options.given = given_command(*task.parser);
  options.outdir = base_.outdir;
  options.json = base_.json;
  options.quiet = base_.quiet;
  options.verbose = base_.verbose;
  if (options.seed) *options.seed += static_cast<uint64_t>(seed_offset);
  if (task.check) task.check(options);
  return options;
}

DrawOptions TaskParser::parse(const TaskLine& task, TypedNames& typed) const {
  typed = typed_;
  if (!task.trouble.empty()) throw UsageError(task.trouble);
  CLI::App app;
  auto command = make_(app);
  SettingLayers layers;
  // The line's own spellings count before the command's.
  const auto prefer = [&typed](const TypedNames& own) {
    typed.insert(typed.begin(), own.begin(), own.end());
  };
  if (task.form == TaskForm::kOptions) {
    prefer(parse_line(app, *command.parser, task.text));
  } else if (task.form == TaskForm::kObject) {
    layers.push_back(object_settings(task.text, *command.parser));
    prefer(keys_typed(layers.back(), *command.parser));
  } else {
    layers.push_back(prompt_settings(task.text, base_.task));
  }
  const bool own_seed =
      command.parser->count("--seed") > 0 ||
      (!layers.empty() && std::ranges::any_of(layers.front(), [](const Setting& setting) {
        return setting.option == "--seed";
      }));
  return finish(command, std::move(layers), own_seed ? 0 : task.number, /*needs_prompt=*/true);
}

DrawOptions TaskParser::parse(const std::vector<Setting>& settings) const {
  CLI::App app;
  auto command = make_(app);
  return finish(command, {settings}, 0, /*needs_prompt=*/false);
}

}  // namespace sd::cli
