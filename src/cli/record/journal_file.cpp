#include "cli/record/journal_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "core/posix_file.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The journals of all shares, by name.
std::vector<fs::path> journals_in(const fs::path& outdir) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator file(outdir, error), end; !error && file != end;
       file.increment(error)) {
    const auto name = file->path().filename().string();
    if (name.starts_with("tasks") && name.ends_with(".jsonl")) found.push_back(file->path());
  }
  std::ranges::sort(found);
  return found;
}

StoredRun run_of(const fs::path& file, const Json& header) {
  StoredRun run;
  run.file = file;
  run.header = header;
  run.first = count_in(header, "first", 0);
  run.tasks = count_in(header, "tasks", 0);
  run.numbers = count_in(header, "numbers", run.tasks);
  run.list = text_in(header, "list");
  run.hash = text_in(header, "hash");
  run.id = count_in(header, "run", 0);
  if (run.id == 0) run.id = -1 - run.first;
  // A run that goes on with one of the first form says so by a number below 0.
  const auto of = header.find("of");
  run.of = of != header.end() && of->is_number_integer() ? of->get<int64_t>() : run.id;
  return run;
}

TaskRecord record_of(const Json& json, const StoredRun& run) {
  TaskRecord record;
  record.task = count_in(json, "task", -1);
  record.line = count_in(json, "line", 0);
  record.text = text_in(json, "text");
  record.code = static_cast<int>(count_in(json, "code", 0));
  record.number = count_in(json, "number", run.first + std::max<int64_t>(record.task, 0));
  const auto pictures = json.find("pictures");
  if (pictures == json.end() || !pictures->is_array()) return record;
  for (const auto& name : *pictures) {
    if (name.is_string())
      record.pictures.push_back(run.file.parent_path() / name.get<std::string>());
  }
  return record;
}

/// The run that a record names: in its own journal, or else in another share's.
StoredRun* run_with(std::vector<StoredRun>& runs, int64_t id, const fs::path& file) {
  StoredRun* elsewhere = nullptr;
  for (auto& run : runs) {
    if (run.id != id) continue;
    if (run.file == file) return &run;
    elsewhere = &run;
  }
  return elsewhere;
}

/// Headers go to `runs`; records that name their run are left to be put there when all headers are
/// known, the others are of the header before them.
std::vector<Json> read_journal(const fs::path& file, std::vector<StoredRun>& runs) {
  std::vector<Json> records;
  std::istringstream input(read_start(file, std::numeric_limits<std::size_t>::max()));
  std::optional<std::size_t> before;  // the last one of the first form
  for (std::string line; std::getline(input, line);) {
    auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    const auto kind = text_in(json, "kind");
    if (kind == kRunKind) {
      runs.push_back(run_of(file, json));
      if (runs.back().id < 0) before = runs.size() - 1;
    } else if (kind == kTaskKind) {
      if (before && count_in(json, "run", 0) == 0) {
        runs[*before].records.push_back(record_of(json, runs[*before]));
      } else {
        records.push_back(std::move(json));
      }
    }
  }
  return records;
}

}  // namespace

int64_t count_in(const Json& json, const char* key, int64_t otherwise) {
  constexpr int64_t kMost = 1'000'000'000'000;
  const auto found = json.find(key);  // the end, unless it is an object
  if (found == json.end() || !found->is_number_integer()) return otherwise;
  if (found->is_number_unsigned() && found->get<uint64_t>() > kMost) return otherwise;
  const auto value = found->get<int64_t>();
  return value < 0 || value > kMost ? otherwise : value;
}

std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

StoredJournals read_journals(const fs::path& outdir) {
  StoredJournals all;
  std::vector<std::pair<fs::path, std::vector<Json>>> records;
  for (const auto& file : journals_in(outdir))
    records.emplace_back(file, read_journal(file, all.runs));
  for (const auto& run : all.runs) all.highest_id = std::max(all.highest_id, run.id);
  for (const auto& [file, some] : records) {
    for (const auto& json : some) {
      const auto id = count_in(json, "run", 0);
      all.highest_id = std::max(all.highest_id, id);
      if (auto* run = id > 0 ? run_with(all.runs, id, file) : nullptr) {
        run->records.push_back(record_of(json, *run));
      } else {
        ++all.orphans;
      }
    }
  }
  return all;
}

int64_t reserved_numbers(const std::vector<StoredRun>& runs) {
  int64_t next = 0;
  for (const auto& run : runs) next = std::max(next, run.first + run.numbers);
  return next;
}

}  // namespace sd::cli
