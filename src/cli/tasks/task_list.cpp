#include "cli/tasks/task_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "cli/plan/list_input.h"
#include "core/posix_file.h"
#include "core/text_encoding.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";

std::string_view without_blanks(std::string_view line) {
  const auto begin = line.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool has_ending(std::string file, std::string_view ending) {
  std::ranges::transform(file, file.begin(), [](unsigned char c) { return std::tolower(c); });
  return file.ends_with(ending);
}

bool is_json_file(const std::string& file) {
  return has_ending(file, ".jsonl") || has_ending(file, ".json") || has_ending(file, ".ndjson");
}

constexpr std::size_t kMaxArrayBytes = 256'000'000;

std::string read_array_file(const std::string& file) {
  auto text = read_start(file, kMaxArrayBytes + 1);
  if (text.size() > kMaxArrayBytes) {
    throw UsageError(
        fmt::format("--from-file: {} has more than {} bytes, which is the most that is read as one "
                    "array\nWrite an object a line, as .jsonl, instead.",
                    file, kMaxArrayBytes));
  }
  return text;
}

/// Takes the elements of an array one by one as they are parsed, so that no tree of all of them is
/// made: it would be many times as large as the text.
class ArrayReader {
 public:
  using Json = nlohmann::ordered_json;

  explicit ArrayReader(const std::string& file) : file_(file) {}

  PromptList read(const std::string& text) {
    const auto rest = Json::parse(text, [this](int depth, Json::parse_event_t event, Json& parsed) {
      return take(depth, event, parsed);
    });
    if (rest.is_array() && line_ > 0) return std::move(list_);
    throw UsageError(fmt::format(
        "--from-file: {} holds {}, expected an array of objects, such as [{{\"prompt\": \"a red "
        "apple\"}}]\nA file with an object a line should end in .jsonl.",
        file_, rest.is_array() ? "an empty array" : "no array"));
  }

 private:
  static constexpr int kMaxDepth = 32;

  /// False for an element of the array, which then has been taken.
  bool take(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) {
      throw UsageError(fmt::format("--from-file: {} is nested more than {} deep, near element {}",
                                   file_, kMaxDepth, line_ + 1));
    }
    if (depth == 1 && event == Event::object_start) begin();
    if (depth == 2 && event == Event::key) {
      // JSON leaves open what a key that is there twice means.
      if (!keys_.insert(parsed.get<std::string>()).second) twice_ = parsed.get<std::string>();
    }
    const bool ends =
        event == Event::object_end || event == Event::array_end || event == Event::value;
    if (depth != 1 || !ends) return true;
    add(parsed);
    return false;
  }

  void begin() {
    keys_.clear();
    twice_.reset();
  }

  void add(const Json& element) {
    ++line_;
    if (!element.is_object()) {
      list_.bad_lines.push_back({line_, "is JSON, but no object {\"prompt\": …}"});
    } else if (twice_) {
      list_.bad_lines.push_back({line_, fmt::format("it has the key '{}' twice", *twice_)});
    } else {
      list_.prompts.push_back({line_, element.dump()});
    }
    if (line_ > static_cast<int64_t>(kMaxPrompts))
      throw UsageError(fmt::format("--from-file: more than {} prompts", kMaxPrompts));
  }

  const std::string& file_;
  PromptList list_;
  int64_t line_ = 0;  // of the element, from 1
  std::set<std::string> keys_;
  std::optional<std::string> twice_;
};

/// The objects of an array that `file` holds as `text`.
PromptList read_array(const std::string& file, const std::string& text) {
  try {
    return ArrayReader(file).read(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw UsageError(
        fmt::format("--from-file: {} is not JSON: byte {} does not fit\nExpected an array "
                    "of objects, such as [{{\"prompt\": \"a red apple\"}}].",
                    file, error.byte));
  } catch (const nlohmann::json::out_of_range&) {
    throw UsageError(fmt::format("--from-file: {} has a number that is too large", file));
  }
}

/// Appends what stands between quotes, from `at` on; returns where it ends, behind the quote.
std::size_t read_quoted(std::string_view line, std::size_t at, char quote, std::string& word) {
  const std::size_t begin = at;
  for (; at < line.size(); ++at) {
    if (line[at] == quote) return at + 1;
    const bool escapes = quote == '"' && line[at] == '\\' && at + 1 < line.size() &&
                         (line[at + 1] == '"' || line[at + 1] == '\\');
    if (escapes) ++at;
    word += line[at];
  }
  throw UsageError(fmt::format("the quote {} at byte {} is not closed", quote, begin));
}

}  // namespace

TaskForm form_of(std::string_view line) {
  const auto text = without_blanks(line);
  // "-- a cat" and "--- a cat ---" are prompts.
  if (text.starts_with("--") && text.size() > 2 && is_letter(text[2])) return TaskForm::kOptions;
  const auto end = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  if (end == "[" || end == "]") return TaskForm::kObject;  // of an array over several lines
  if (text.starts_with('[')) {
    // A prompt may begin with a change, [a cat:a dog:0.5]; an array of tasks begins with an object.
    return without_blanks(text.substr(1)).starts_with('{') ? form_of(text.substr(1))
                                                           : TaskForm::kPrompt;
  }
  if (!text.starts_with('{')) return TaskForm::kPrompt;
  // A prompt may begin with a choice, {red|green}; an object begins with a key or ends at once.
  const auto inside = without_blanks(text.substr(1));
  return inside.starts_with('"') || inside.starts_with('}') || inside.empty() ? TaskForm::kObject
                                                                              : TaskForm::kPrompt;
}

bool has_tasks(const PromptList& list, const std::string& file) {
  return is_json_file(file) || std::ranges::any_of(list.prompts, [](const ListedPrompt& prompt) {
           return form_of(prompt.text) != TaskForm::kPrompt;
         });
}

std::string mixed_list_notice(const std::vector<TaskLine>& tasks, const std::string& file) {
  const auto is_prompt = [](const TaskLine& task) {
    return task.trouble.empty() && task.form == TaskForm::kPrompt;
  };
  const auto told = std::ranges::find_if(tasks, [&](const TaskLine& task) {
    return task.trouble.empty() && task.form != TaskForm::kPrompt;
  });
  if (told == tasks.end() || std::ranges::none_of(tasks, is_prompt)) return {};
  return fmt::format(
      "{}: line {} has options of its own, so each of the {} lines is a task. A task draws one "
      "picture (unless --n_samples or --n_iter say more) with the seed --seed + its number, and "
      "its number names the file\n"
      "A list of prompts alone is drawn --n_samples at a time, each prompt --n_iter times.",
      file == "-" ? "standard input" : file, told->line, tasks.size());
}

std::vector<TaskLine> task_lines(const PromptList& list, const std::string& file) {
  std::vector<TaskLine> tasks;
  tasks.reserve(list.prompts.size() + list.bad_lines.size());
  for (const auto& [line, text] : list.prompts) {
    tasks.push_back({0, line, is_json_file(file) ? TaskForm::kObject : form_of(text), text, {}});
  }
  for (const auto& [line, reason] : list.bad_lines) {
    tasks.push_back({0, line, TaskForm::kPrompt, {}, reason});
  }
  std::ranges::sort(tasks, {}, &TaskLine::line);
  for (std::size_t i = 0; i < tasks.size(); ++i) tasks[i].number = static_cast<int64_t>(i);
  return tasks;
}

PromptList read_task_list(const std::string& file, bool quiet) {
  std::error_code ignored;
  if (has_ending(file, ".json") && std::filesystem::is_regular_file(file, ignored))
    return read_array(file, to_utf8(read_array_file(file)));
  auto list = read_prompt_list(file, quiet);
  if (list.prompts.empty() || !list.bad_lines.empty()) return list;
  const auto first = without_blanks(list.prompts.front().text);
  if (first.starts_with('[') && form_of(first) == TaskForm::kObject) {
    std::string text;
    for (const auto& line : list.prompts) text += line.text + '\n';
    return read_array(file == "-" ? "standard input" : file, text);
  }
  // The lines inside of it would be taken for prompts.
  const auto open = std::ranges::find_if(list.prompts, [](const ListedPrompt& line) {
    const auto text = without_blanks(line.text);
    return text.starts_with('{') && text.find_first_not_of(kBlanks, 1) == std::string_view::npos;
  });
  if (open == list.prompts.end()) return list;
  throw UsageError(
      fmt::format("--from-file: line {} begins an object that goes on over several lines\n"
                  "Write an object a line ('jq -c' does), or an array of them.",
                  open->line));
}

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  bool inside = false;  // a word, which may still be empty
  for (std::size_t at = 0; at < line.size();) {
    const char character = line[at];
    if (kBlanks.find(character) != std::string_view::npos) {
      inside = false;
      ++at;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    if (character == '\'' || character == '"') {
      at = read_quoted(line, at + 1, character, words.back());
    } else if (character == '\\' && at + 1 < line.size()) {
      words.back() += line[at + 1];
      at += 2;
    } else {
      words.back() += character;
      ++at;
    }
  }
  return words;
}

}  // namespace sd::cli
