#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sd::cli {

/// What became of a task.
struct TaskRecord {
  int64_t task = 0;  // from 0
  int64_t line = 0;  // from 1
  std::string text;  // the line's
  int code = 0;      // an exit code; 0: done
  std::string error;
  std::vector<std::filesystem::path> pictures;
  double seconds = 0;
  int64_t number = 0;  // in its pictures' names
};

/// A run over a list of tasks as one journal tells of it.
struct StoredRun {
  std::filesystem::path file;
  nlohmann::ordered_json header;
  int64_t id = 0;       // shared by the shards of a run; below 0 in journals of sd 0.1's first form
  int64_t of = 0;       // the run that began this list, before it was edited; else its own id
  int64_t first = 0;    // the picture numbers [first, first + numbers) are the run's
  int64_t numbers = 0;  // 0 where an edited list needs none beside those of the run that began it
  int64_t tasks = 0;
  std::string list;  // where it was read from, absolute; "-" is standard input; empty: unknown
  std::string hash;  // of its tasks' texts; empty: unknown
  std::vector<TaskRecord> records;
};

inline constexpr const char* kRunKind = "tasks";  // of a header
inline constexpr const char* kTaskKind = "task";  // of a record

/// What the journals of a folder tell.
struct StoredJournals {
  std::vector<StoredRun> runs;
  std::size_t orphans = 0;  // records of runs whose headers are lost
  int64_t highest_id = 0;   // of a run, also of those
};

/// All runs of all journals (tasks.jsonl, tasks-2-of-3.jsonl and their like) in a folder. Several
/// processes may have written to one journal, so a record names its run, whose header may stand
/// anywhere, also in the journal of another share; one that names none, as in older versions, is of
/// the header before it. A line that a killed process did not finish says nothing. Throws IoError
/// if a journal cannot be read.
StoredJournals read_journals(const std::filesystem::path& outdir);

/// One more than the highest picture number that runs over lists have taken for themselves in
/// `outdir`, drawn or not; 0 if there are none.
int64_t reserved_numbers(const std::vector<StoredRun>& runs);

/// A whole number of an object, if it is one and from 0 to what a folder may hold.
int64_t count_in(const nlohmann::ordered_json& json, const char* key, int64_t otherwise);
/// A text of an object.
std::string text_in(const nlohmann::ordered_json& json, const char* key);

}  // namespace sd::cli
