#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/options/picture_options.h"
#include "cli/options/shard.h"
#include "cli/record/journal_file.h"
#include "cli/tasks/task_list.h"

namespace sd::cli {

/// What a run is, as its journal begins with it.
struct TaskRun {
  std::string command;             // "txt2img"
  nlohmann::ordered_json options;  // the command's own, by name
  std::string list;                // --from-file
  std::span<const TaskLine> tasks;
  std::optional<Shard> shard;
  bool resume = false;
  std::string names = kDefaultName;  // the template of its pictures' names
  /// picture_key of a task (lost_journal.h), empty where it has none; asked for only where no
  /// journal knows the list.
  std::function<std::string(const TaskLine&)> key_of = {};
};

/// The line of JSON that tells a program of it; `status` is "done", "failed" or "skipped".
std::string task_json_line(const TaskRecord& record, const std::string& status);

/// Which tasks are done, in OUTDIR/tasks.jsonl, or of a shard in OUTDIR/tasks-2-of-3.jsonl: a line
/// of JSON for each run and one for each task, written when its pictures are on the disk. A process
/// may be killed at any moment: what is not in the journal is drawn again under the same names.
///
/// A folder holds any number of lists, of which several may be drawn at the same time. Each run
/// takes picture numbers of its own. A list is resumed from the run over a list of the same
/// content, or else of the same name. Tasks are found by their texts: a line that was not edited
/// stays done wherever it stands now. If the journal was lost, pictures tell what is there.
class TaskJournal {
 public:
  /// Begins a run, or with `resume` goes on with the latest one of this list in `outdir`, whoever's
  /// share it was; if there is none it begins one. Throws UsageError if that one had other options
  /// or if a shard was begun before and is not to be resumed, IoError if the folder cannot be
  /// written or another process is drawing the same tasks.
  TaskJournal(const std::filesystem::path& outdir, const TaskRun& run);
  ~TaskJournal();
  TaskJournal(const TaskJournal&) = delete;
  TaskJournal& operator=(const TaskJournal&) = delete;

  /// Whether it goes on with a run that was begun before.
  bool goes_on() const { return goes_on_; }
  /// How many tasks have a picture by what pictures say of themselves, where no journal knows the
  /// list that is resumed: they have the numbers of those, and are not done until their pictures
  /// were compared.
  std::size_t found_tasks() const { return found_tasks_; }
  /// Records here whose runs are not known, since journals have lost their beginnings.
  std::size_t orphans() const { return orphans_; }

  /// The number in the names of a task's pictures.
  int64_t picture_number(int64_t task) const { return numbers_.at(static_cast<std::size_t>(task)); }

  /// The record of a task that is done, with all of its pictures still there; else null.
  const TaskRecord* done(int64_t task) const;

  /// Adds a record; it is on the disk when this returns. Throws IoError.
  void add(const TaskRecord& record);

 private:
  void begin(const StoredJournals& journals, const TaskRun& run, int64_t next);
  void go_on(const StoredJournals& journals, const StoredRun& stored, int64_t next);
  void go_by_pictures(const std::vector<StoredRun>& runs, const TaskRun& run, int64_t next);
  void open(const TaskRun& run);
  void write_line(const nlohmann::ordered_json& line);

  std::filesystem::path outdir_;
  std::filesystem::path path_;
  std::span<const TaskLine> tasks_;
  std::string hash_;
  int file_ = -1;
  int64_t id_ = 0;  // of the run, and what it has in its header: see StoredRun
  int64_t of_ = 0;
  int64_t first_ = 0;
  int64_t reserved_ = 0;
  bool has_header_ = false;  // of this run, in this file
  bool goes_on_ = false;
  std::size_t found_tasks_ = 0;
  std::size_t orphans_ = 0;
  std::vector<int64_t> numbers_;                 // by task
  std::vector<std::optional<TaskRecord>> done_;  // by task
};

}  // namespace sd::cli
