#include "cli/task_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "cli/output_folder.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kHeaderKind = "tasks";
constexpr const char* kRecordKind = "task";

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string journal_name(const std::optional<Shard>& shard) {
  return shard ? fmt::format("tasks-{}-of-{}.jsonl", shard->index + 1, shard->count)
               : std::string("tasks.jsonl");
}

/// "tasks-2-of-3.jsonl" and the like of every share, in no order.
std::vector<fs::path> journals_in(const fs::path& outdir) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator file(outdir, error), end; !error && file != end;
       file.increment(error)) {
    const auto name = file->path().filename().string();
    if (name.starts_with("tasks") && name.ends_with(".jsonl")) found.push_back(file->path());
  }
  return found;
}

/// A run as one journal tells of it.
struct StoredRun {
  fs::path file;
  Json header;
  int64_t first = 0;
  int64_t tasks = 0;
  std::vector<TaskRecord> records;
};

template <typename Value>
Value value_of(const Json& json, const char* key, Value otherwise) {
  const auto found = json.find(key);  // the end, unless it is an object
  if (found == json.end()) return otherwise;
  if constexpr (std::is_same_v<Value, std::string>) {
    return found->is_string() ? found->template get<std::string>() : otherwise;
  } else {
    return found->is_number_integer() ? found->template get<Value>() : otherwise;
  }
}

TaskRecord record_of(const Json& json, const fs::path& outdir) {
  TaskRecord record;
  record.task = value_of<int64_t>(json, "task", -1);
  record.line = value_of<int64_t>(json, "line", 0);
  record.text = value_of<std::string>(json, "text", "");
  record.code = value_of<int>(json, "code", 0);
  const auto pictures = json.find("pictures");
  if (pictures == json.end() || !pictures->is_array()) return record;
  for (const auto& name : *pictures) {
    if (name.is_string()) record.pictures.push_back(outdir / name.get<std::string>());
  }
  return record;
}

/// All runs in a journal. A line that a killed process did not finish says nothing.
std::vector<StoredRun> read_journal(const fs::path& file) {
  std::vector<StoredRun> runs;
  std::ifstream input(file, std::ios::binary);
  if (!input) throw IoError(fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  for (std::string line; std::getline(input, line);) {
    const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    const auto kind = value_of<std::string>(json, "kind", "");
    if (kind == kHeaderKind) {
      runs.push_back({file,
                      json,
                      value_of<int64_t>(json, "first", 0),
                      value_of<int64_t>(json, "tasks", 0),
                      {}});
    } else if (kind == kRecordKind && !runs.empty()) {
      runs.back().records.push_back(record_of(json, file.parent_path()));
    }
  }
  return runs;
}

std::vector<StoredRun> read_journals(const fs::path& outdir) {
  std::vector<StoredRun> runs;
  for (const auto& file : journals_in(outdir)) {
    auto some = read_journal(file);
    std::ranges::move(some, std::back_inserter(runs));
  }
  return runs;
}

/// Names the first option that is not what it was.
void check_same(const StoredRun& stored, const TaskRun& run) {
  const auto fail = [&](const std::string& what, const std::string& before,
                        const std::string& now) {
    throw UsageError(fmt::format(
        "{}: {} was {} when these tasks were begun, now {}\nRepeat it as it was, or give another "
        "--outdir.",
        stored.file.string(), what, before, now));
  };
  const auto command = value_of<std::string>(stored.header, "command", "");
  if (command != run.command) fail("the command", command, run.command);
  const auto before = stored.header.value("options", Json::object());
  const auto text = [](const Json& options, const std::string& key) {
    const auto found = options.find(key);
    return found == options.end() ? std::string("not given") : dump(*found);
  };
  for (const auto* options : {&before, &run.options}) {
    for (const auto& [key, value] : options->items()) {
      if (text(before, key) != text(run.options, key))
        fail("--" + key, text(before, key), text(run.options, key));
    }
  }
}

int64_t next_free(const fs::path& outdir, const std::vector<StoredRun>& runs) {
  constexpr std::size_t kDigits = 5;
  int64_t next = std::max(next_number(outdir / "samples", "", kDigits),
                          next_number(outdir / "source", "", kDigits));
  for (const auto& run : runs) next = std::max(next, run.first + run.tasks);
  return next;
}

}  // namespace

std::string task_json_line(const TaskRecord& record, const std::string& status) {
  Json line = {
      {"kind", kRecordKind}, {"task", record.task}, {"line", record.line}, {"status", status}};
  if (record.code != 0) {
    line["code"] = record.code;
    line["error"] = record.error;
  }
  line["pictures"] = Json::array();
  for (const auto& picture : record.pictures) line["pictures"].push_back(picture.string());
  if (status != "skipped") line["seconds"] = record.seconds;
  return dump(line);
}

TaskJournal::TaskJournal(const fs::path& outdir, const TaskRun& run)
    : outdir_(outdir), path_(outdir / journal_name(run.shard)) {
  make_writable_folder(outdir_);
  run.resume ? go_on(run) : begin_new(run);
  open(run);
}

TaskJournal::~TaskJournal() {
  if (file_ >= 0) close(file_);
}

/// Shards start without a word to each other, so all of them count from 0 in a folder that nobody
/// else has used.
void TaskJournal::begin_new(const TaskRun& run) {
  const auto next = next_free(outdir_, {});  // before the journals: those precede their pictures
  const auto runs = read_journals(outdir_);
  if (!run.shard) {
    first_number_ = std::max(next, next_free(outdir_, runs));
    return;
  }
  if (runs.empty() && next > 0) {
    throw UsageError(fmt::format(
        "--shard: {} holds pictures of other runs; shards need a folder of their own\nGive another "
        "--outdir.",
        outdir_.string()));
  }
  for (const auto& stored : runs) {
    const bool mine = stored.file == path_;
    const auto count = value_of<int64_t>(stored.header.value("shard", Json()), "count", 0);
    if (mine || count != run.shard->count) {
      throw UsageError(fmt::format(
          "--shard: {} is there already\n--resume goes on with its tasks; for others give "
          "another --outdir.",
          stored.file.string()));
    }
    check_same(stored, run);
  }
}

void TaskJournal::go_on(const TaskRun& run) {
  const auto runs = read_journals(outdir_);
  if (runs.empty()) return begin_new(run);
  for (const auto& stored : runs) first_number_ = std::max(first_number_, stored.first);
  for (const auto& stored : runs) {
    if (stored.first != first_number_) continue;
    check_same(stored, run);
    has_header_ = has_header_ || stored.file == path_;
    for (const auto& record : stored.records) {
      if (record.code == 0) done_[record.task] = record;
    }
  }
}

/// Locks the file: two processes at one share would draw everything twice.
void TaskJournal::open(const TaskRun& run) {
  constexpr mode_t kMode = 0666;
  const auto fail = [&](const std::string& what) {
    throw IoError(fmt::format("{}: {}: {}", path_.string(), what, std::strerror(errno)));
  };
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (file_ < 0) fail("cannot be written");
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      throw IoError(fmt::format("{}: another process is drawing these tasks", path_.string()));
    }
    if (errno != ENOTSUP && errno != ENOLCK) fail("cannot be locked");  // some network folders
  }
  char last = '\n';
  const off_t size = lseek(file_, 0, SEEK_END);
  if (size > 0 && pread(file_, &last, 1, size - 1) != 1) fail("cannot be read");
  if (last != '\n' && ::write(file_, "\n", 1) != 1) fail("cannot be written");
  if (has_header_) return;
  Json header = {{"kind", kHeaderKind},    {"version", SD_VERSION}, {"command", run.command},
                 {"options", run.options}, {"tasks", run.tasks},    {"first", first_number_}};
  if (run.shard) header["shard"] = {{"index", run.shard->index + 1}, {"count", run.shard->count}};
  write_line(header);
}

const TaskRecord* TaskJournal::done(int64_t task, const std::string& text) const {
  const auto found = done_.find(task);
  if (found == done_.end() || found->second.text != text) return nullptr;
  std::error_code ignored;
  const bool whole = std::ranges::all_of(found->second.pictures, [&](const fs::path& picture) {
    return fs::exists(picture, ignored);
  });
  return whole ? &found->second : nullptr;
}

void TaskJournal::add(const TaskRecord& record) {
  Json line = {{"kind", kRecordKind}, {"task", record.task},       {"line", record.line},
               {"text", record.text}, {"seconds", record.seconds}, {"pictures", Json::array()}};
  for (const auto& picture : record.pictures)
    line["pictures"].push_back(picture.lexically_relative(outdir_).string());
  if (record.code != 0) {
    line["code"] = record.code;
    line["error"] = record.error;
  }
  write_line(line);
}

/// In one piece, so that a reader meets whole lines.
void TaskJournal::write_line(const Json& line) {
  const auto text = dump(line) + '\n';
  std::size_t written = 0;
  while (written < text.size()) {
    const auto count = ::write(file_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw IoError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
    written += static_cast<std::size_t>(count);
  }
  if (fsync(file_) != 0 && errno != EINVAL && errno != EROFS)
    throw IoError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
}

}  // namespace sd::cli
