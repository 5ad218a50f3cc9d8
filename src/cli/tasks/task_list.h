#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/plan/prompt_list.h"

namespace sd::cli {

/// How a line of `--from-file` says what to draw.
enum class TaskForm {
  kPrompt,   // a prompt, or a source and a target with a tab between
  kOptions,  // --prompt "a red apple" --steps 20
  kObject,   // {"prompt": "a red apple", "steps": 20}
};

struct TaskLine {
  int64_t number = 0;  // from 0, bad lines counted
  int64_t line = 0;    // from 1
  TaskForm form = TaskForm::kPrompt;
  std::string text;
  std::string trouble;  // why it cannot be read; else empty
};

/// The form of one line, by how it begins: "--steps 3 …" has options, "-- a cat" is a prompt.
TaskForm form_of(std::string_view line);

/// Whether a list is more than prompts: any line has options, or `file` ends in .jsonl or .json.
bool has_tasks(const PromptList& list, const std::string& file);

/// What holds for every line of such a list.
std::vector<TaskLine> task_lines(const PromptList& list, const std::string& file);

/// A message for a list in which only some lines have options. All of its lines are tasks then,
/// also those that are plain prompts. Empty if all lines are of one kind.
std::string mixed_list_notice(const std::vector<TaskLine>& tasks, const std::string& file);

/// Reads what `--from-file` names: a line a task, or the objects of an array (a .json file, or
/// lines that begin with one), whose "lines" are their places, from 1. A file may be encoded as
/// Utf8Reader reads it. That it has to be waited for is said, unless `quiet`. Throws IoError if it
/// cannot be read, UsageError if it holds nothing usable.
PromptList read_task_list(const std::string& file, bool quiet = false);

/// Words of an option line as a POSIX shell divides them: blanks between, '…', "…" and backslashes;
/// nothing else is special. Throws UsageError for a quote that is not closed.
std::vector<std::string> split_words(std::string_view line);

}  // namespace sd::cli
