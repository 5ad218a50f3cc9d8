#include "cli/journal_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
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

/// The run of a record among those that one journal has told of so far.
StoredRun* run_with(std::vector<StoredRun>& runs, const Json& record) {
  const auto id = count_in(record, "run", 0);
  const auto found = std::find_if(runs.rbegin(), runs.rend(), [&](const StoredRun& run) {
    return id == 0 ? run.id < 0 : run.id == id;
  });
  return found == runs.rend() ? nullptr : &*found;
}

std::vector<StoredRun> read_journal(const fs::path& file) {
  std::vector<StoredRun> runs;
  std::istringstream input(read_start(file, std::numeric_limits<std::size_t>::max()));
  for (std::string line; std::getline(input, line);) {
    const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    const auto kind = text_in(json, "kind");
    if (kind == kRunKind) {
      runs.push_back(run_of(file, json));
    } else if (kind == kTaskKind) {
      if (auto* run = run_with(runs, json)) run->records.push_back(record_of(json, *run));
    }
  }
  return runs;
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

std::vector<StoredRun> read_journals(const fs::path& outdir) {
  std::vector<StoredRun> runs;
  for (const auto& file : journals_in(outdir)) {
    auto some = read_journal(file);
    std::ranges::move(some, std::back_inserter(runs));
  }
  return runs;
}

int64_t reserved_numbers(const std::vector<StoredRun>& runs) {
  int64_t next = 0;
  for (const auto& run : runs) next = std::max(next, run.first + run.numbers);
  return next;
}

}  // namespace sd::cli
