#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/record/journal_file.h"
#include "cli/tasks/task_journal.h"

namespace sd::cli {

/// Of a list's tasks, in their order: equal for equal lists, whatever their files are called.
std::string hash_of(std::span<const TaskLine> tasks);

/// Where a list is read from, as journals keep it: an absolute path, or "-".
std::string list_name(const std::string& from_file);

/// Finds the run that `--resume` goes on with: a run of the same command over the same list. The
/// same list is one of equal content, or else of the same name. If there is no name (standard
/// input, or a journal that names none), it is one that shares most of the tasks. Of several such
/// runs, one with the same options is taken, or else the latest. Null if there is none.
const StoredRun* find_run(const std::vector<StoredRun>& runs, const TaskRun& run,
                          const std::string& hash);

/// Whether `stored` is a run over this very list.
bool is_same_list(const StoredRun& stored, const TaskRun& run, const std::string& hash);

/// Throws UsageError naming the first option that is not what it was.
void check_same_options(const StoredRun& stored, const TaskRun& run);

/// What is done of `tasks`, by task, in all runs that go on with each other (`of` is that of the
/// first). A record is a task's if it has its number and text; where the list was edited since,
/// also if it has its text alone and no other task's. Records of pictures that are gone,
/// empty or cut short count for nothing.
std::vector<std::optional<TaskRecord>> done_tasks(const std::vector<StoredRun>& runs, int64_t of,
                                                  std::span<const TaskLine> tasks,
                                                  const std::string& hash);

/// The picture numbers of what is done in these runs.
std::vector<int64_t> taken_numbers(const std::vector<StoredRun>& runs, int64_t of);

}  // namespace sd::cli
