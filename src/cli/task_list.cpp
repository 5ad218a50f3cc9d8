#include "cli/task_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";

std::string_view without_blanks(std::string_view line) {
  const auto begin = line.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
}

bool is_json_file(const std::string& file) {
  return file.ends_with(".jsonl") || file.ends_with(".json") || file.ends_with(".ndjson");
}

constexpr std::uintmax_t kMaxArrayBytes = 256'000'000;

std::string read_array_file(const std::string& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) throw IoError(fmt::format("--from-file: cannot read {}: {}", file, error.message()));
  if (size > kMaxArrayBytes) {
    throw UsageError(
        fmt::format("--from-file: {} has {} bytes, at most {} are read as one array\nWrite an "
                    "object a line, as "
                    ".jsonl, instead.",
                    file, size, kMaxArrayBytes));
  }
  std::ifstream input(file, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  if (input.bad() || text.size() != size)
    throw IoError(fmt::format("--from-file: cannot read {}", file));
  return text;
}

PromptList read_array(const std::string& file) {
  nlohmann::ordered_json array;
  try {
    array = nlohmann::ordered_json::parse(read_array_file(file));
  } catch (const nlohmann::json::parse_error& error) {
    throw UsageError(
        fmt::format("--from-file: {} is not JSON: byte {} does not fit\nExpected an array "
                    "of objects, such as [{{\"prompt\": \"a red apple\"}}].",
                    file, error.byte));
  } catch (const nlohmann::json::out_of_range&) {
    throw UsageError(fmt::format("--from-file: {} has a number that is too large", file));
  }
  if (!array.is_array() || array.empty()) {
    throw UsageError(fmt::format(
        "--from-file: {} holds {}, expected an array of objects, such as [{{\"prompt\": \"a red "
        "apple\"}}]\nA file with an object a line should end in .jsonl.",
        file, array.is_array() ? "an empty array" : "no array"));
  }
  PromptList list;
  for (std::size_t i = 0; i < array.size(); ++i)
    list.prompts.push_back({static_cast<int64_t>(i) + 1, array[i].dump()});
  return list;
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
  if (text.starts_with("--")) return TaskForm::kOptions;
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

PromptList read_task_list(const std::string& file) {
  std::error_code ignored;
  const bool array = file.ends_with(".json") && std::filesystem::is_regular_file(file, ignored);
  return array ? read_array(file) : read_prompt_list(file);
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
