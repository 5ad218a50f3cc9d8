#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/shard.h"

namespace sd::cli {

/// What a run over tasks is, as its journal begins with it.
struct TaskRun {
  std::string command;             // "txt2img"
  nlohmann::ordered_json options;  // the command's own, by name
  int64_t tasks = 0;
  std::optional<Shard> shard;
  bool resume = false;
};

/// What became of a task.
struct TaskRecord {
  int64_t task = 0;  // from 0
  int64_t line = 0;  // from 1
  std::string text;  // the line's
  int code = 0;      // an exit code; 0: done
  std::string error;
  std::vector<std::filesystem::path> pictures;
  double seconds = 0;
};

/// The line of JSON that tells a program of it; `status` is "done", "failed" or "skipped".
std::string task_json_line(const TaskRecord& record, const std::string& status);

/// Which tasks are done, in OUTDIR/tasks.jsonl, or of a shard in OUTDIR/tasks-2-of-3.jsonl: a line
/// of JSON for the run and one for each task, written when its pictures are on the disk. A process
/// may be killed at any moment: what is not in the journal is drawn again under the same names.
class TaskJournal {
 public:
  /// Begins a run, or with `resume` goes on with the latest one in `outdir`, whoever's share it
  /// was. Throws UsageError if that one had other options or if a shard was begun before and is not
  /// to be resumed, IoError if the folder cannot be written or another process is at the same
  /// share.
  TaskJournal(const std::filesystem::path& outdir, const TaskRun& run);
  ~TaskJournal();
  TaskJournal(const TaskJournal&) = delete;
  TaskJournal& operator=(const TaskJournal&) = delete;

  /// The number in the names of a task's pictures.
  int64_t picture_number(int64_t task) const { return first_number_ + task; }

  /// The record of a task that is done, with all of its pictures still there.
  const TaskRecord* done(int64_t task, const std::string& text) const;

  /// Adds a record; it is on the disk when this returns. Throws IoError.
  void add(const TaskRecord& record);

 private:
  void begin_new(const TaskRun& run);
  void go_on(const TaskRun& run);
  void open(const TaskRun& run);
  void write_line(const nlohmann::ordered_json& line);

  std::filesystem::path outdir_;
  std::filesystem::path path_;
  int file_ = -1;
  int64_t first_number_ = 0;
  bool has_header_ = false;  // of this run, in this file
  std::map<int64_t, TaskRecord> done_;
};

}  // namespace sd::cli
