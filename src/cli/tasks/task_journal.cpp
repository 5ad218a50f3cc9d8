#include "cli/tasks/task_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>

#include "cli/record/output_folder.h"
#include "cli/shell/json_lines.h"
#include "cli/tasks/lost_journal.h"
#include "cli/tasks/stored_tasks.h"
#include "core/posix_file.h"
#include "sd/core/atomic_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string journal_name(const std::optional<Shard>& shard) {
  return shard ? fmt::format("tasks-{}-of-{}.jsonl", shard->index + 1, shard->count)
               : std::string("tasks.jsonl");
}

/// One process at a time takes numbers in a folder. Some network folders know no such locks; there
/// two lists must not be begun in the same second.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (descriptor_ >= 0 && flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FolderLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

/// One process a list and share. The lock is one byte, far behind the journal's end, whose place
/// stands for the run: other lists in the same journal have others. False if somebody has it.
bool lock_run(int file, int64_t run) {
  constexpr int64_t kBehind = int64_t{1} << 50;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kBehind + run;
  lock.l_len = 1;
  return fcntl(file, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

}  // namespace

std::string task_json_line(const TaskRecord& record, const std::string& status) {
  Json line = {{"task", record.task}, {"line", record.line}, {"status", status}};
  if (record.code != 0) {
    line["code"] = record.code;
    line["error"] = record.error;
  }
  line["pictures"] = Json::array();
  for (const auto& picture : record.pictures) line["pictures"].push_back(picture.string());
  if (status != "skipped") line["seconds"] = record.seconds;
  return json_line_of(kTaskKind, line);
}

TaskJournal::TaskJournal(const fs::path& outdir, const TaskRun& run)
    : outdir_(outdir),
      path_(outdir / journal_name(run.shard)),
      tasks_(run.tasks),
      hash_(hash_of(run.tasks)),
      numbers_(run.tasks.size()),
      done_(run.tasks.size()) {
  constexpr std::size_t kDigits = 5;
  std::error_code ignored;
  if (fs::equivalent(run.list, path_, ignored)) {
    throw UsageError(
        fmt::format("--from-file: {} is the journal of --outdir, not a list\nGive the list another "
                    "name, or its pictures another --outdir.",
                    run.list));
  }
  make_writable_folder(outdir_);
  const FolderLock lock(outdir_);
  // Pictures before journals: a run is in its journal before its first picture is drawn.
  const int64_t pictures = std::max(next_number(outdir_ / "samples", "", kDigits),
                                    next_number(outdir_ / "source", "", kDigits));
  const auto journals = read_journals(outdir_);
  const int64_t next = std::max(pictures, reserved_numbers(journals.runs));
  const StoredRun* found = run.resume ? find_run(journals.runs, run, hash_) : nullptr;
  orphans_ = journals.orphans;
  if (found != nullptr) {
    check_same_options(*found, run);
    go_on(journals, *found, next);
  } else {
    begin(journals, run, next);
    if (run.resume && run.key_of) go_by_pictures(journals.runs, run, next);
  }
  open(run);
}

TaskJournal::~TaskJournal() {
  if (file_ >= 0) close(file_);
}

/// A run with numbers of its own; or another share of one that was begun a moment ago, as shards
/// start without a word to each other.
void TaskJournal::begin(const StoredJournals& journals, const TaskRun& run, int64_t next) {
  const StoredRun* found = nullptr;
  for (const auto& stored : journals.runs) {
    if (!run.shard || !is_same_list(stored, run, hash_)) continue;
    const auto shares = stored.header.find("shard");
    const bool alike =
        shares != stored.header.end() && count_in(*shares, "count", 0) == run.shard->count;
    if (stored.file == path_ || !alike) {
      throw UsageError(
          fmt::format("--shard: this list was begun before; {} says so\nTo go on with its tasks, "
                      "give --resume; the shares may be others. To draw all of them anew, give "
                      "another --outdir.",
                      stored.file.string()));
    }
    check_same_options(stored, run);
    if (found == nullptr || stored.id > found->id) found = &stored;
  }
  id_ = found == nullptr ? journals.highest_id + 1 : found->id;
  of_ = found == nullptr ? id_ : found->of;
  first_ = found == nullptr ? next : found->first;
  reserved_ = found == nullptr ? static_cast<int64_t>(tasks_.size()) : found->numbers;
  for (std::size_t i = 0; i < numbers_.size(); ++i) numbers_[i] = first_ + static_cast<int64_t>(i);
}

/// A list whose journal is lost: a run with the numbers that its pictures have.
void TaskJournal::go_by_pictures(const std::vector<StoredRun>& runs, const TaskRun& run,
                                 int64_t next) {
  const auto keys = [&] {
    std::vector<std::string> all;
    for (const auto& task : tasks_) all.push_back(run.key_of(task));
    return all;
  };
  const auto known = [&](int64_t number) {
    return std::ranges::any_of(runs, [&](const StoredRun& other) {
      return number >= other.first && number < other.first + other.numbers;
    });
  };
  const auto found = find_numbers(outdir_, run.names, known, keys);
  const auto count = static_cast<int64_t>(tasks_.size());
  // Pictures that are cut may be the list's, and are drawn again in their places.
  first_ =
      found
          ? found->first
          : std::min(next, std::max(reserved_numbers(runs), next_whole_number(outdir_, run.names)));
  for (std::size_t i = 0; i < numbers_.size(); ++i) numbers_[i] = first_ + static_cast<int64_t>(i);
  if (!found) return;
  found_tasks_ = found->tasks;
  std::set<int64_t> taken = found->others;
  for (const auto& number : found->numbers)
    if (number) taken.insert(*number);
  int64_t spare = std::max(first_ + count, next);
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    if (found->numbers[i]) {
      numbers_[i] = *found->numbers[i];
    } else if (taken.contains(numbers_[i])) {
      numbers_[i] = spare++;  // its place has another picture: the list was edited
    }
  }
  for (const auto number : numbers_) reserved_ = std::max(reserved_, number + 1 - first_);
}

void TaskJournal::go_on(const StoredJournals& journals, const StoredRun& stored, int64_t next) {
  const auto& runs = journals.runs;
  goes_on_ = true;
  of_ = stored.of;
  done_ = done_tasks(runs, of_, tasks_, hash_);
  const StoredRun* origin = &stored;
  const StoredRun* current = nullptr;  // of the list as it is now
  for (const auto& run : runs) {
    if (run.of != of_) continue;
    if (run.id == of_) origin = &run;
    if (run.hash == hash_ && (current == nullptr || run.id >= current->id)) current = &run;
  }
  const auto taken = taken_numbers(runs, of_);
  bool needs_more = false;
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    const auto task = static_cast<int64_t>(i);
    if (done_[i]) {
      numbers_[i] = done_[i]->number;
    } else if (task < origin->numbers && !std::ranges::binary_search(taken, origin->first + task)) {
      numbers_[i] = origin->first + task;  // as when the list was begun
    } else if (current != nullptr && task < current->numbers) {
      numbers_[i] = current->first + task;
    } else {
      numbers_[i] = next + task;
      needs_more = true;
    }
  }
  if (current != nullptr && !needs_more) {
    id_ = current->id;
    first_ = current->first;
    reserved_ = current->numbers;
    has_header_ = std::ranges::any_of(
        runs, [&](const StoredRun& run) { return run.id == id_ && run.file == path_; });
    return;
  }
  // The list was edited, or its journal does not know it by its content.
  id_ = journals.highest_id + 1;
  first_ = needs_more ? next : origin->first;
  reserved_ = needs_more ? static_cast<int64_t>(tasks_.size()) : 0;
}

/// Locks the run: two processes at one share would draw everything twice.
void TaskJournal::open(const TaskRun& run) {
  constexpr mode_t kMode = 0666;
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, kMode);
  if (file_ < 0) {
    const int error = errno;
    if (const auto dead = dead_link(path_)) throw IoError(*dead);
    throw_write_error(path_, error);
  }
  struct stat status {};
  if (fstat(file_, &status) == 0 && !S_ISREG(status.st_mode)) {
    throw IoError(
        fmt::format("{}: expected a file, found {}", path_.string(), kind_name(status.st_mode)));
  }
  if (!lock_run(file_, of_))
    throw IoError(fmt::format("{}: another process is drawing these tasks", path_.string()));
  if (has_header_) return;
  Json header = {{"kind", kRunKind},       {"version", SD_VERSION},       {"run", id_},
                 {"command", run.command}, {"list", list_name(run.list)}, {"hash", hash_},
                 {"options", run.options}, {"tasks", tasks_.size()},      {"first", first_},
                 {"numbers", reserved_}};
  if (of_ != id_) header["of"] = of_;
  if (run.shard) header["shard"] = {{"index", run.shard->index + 1}, {"count", run.shard->count}};
  write_line(header);
}

const TaskRecord* TaskJournal::done(int64_t task) const {
  const auto& record = done_.at(static_cast<std::size_t>(task));
  return record ? &*record : nullptr;
}

void TaskJournal::add(const TaskRecord& record) {
  Json line = {{"kind", kTaskKind},         {"run", id_},
               {"task", record.task},       {"line", record.line},
               {"text", record.text},       {"number", picture_number(record.task)},
               {"seconds", record.seconds}, {"pictures", Json::array()}};
  for (const auto& picture : record.pictures)
    line["pictures"].push_back(picture.lexically_relative(outdir_).string());
  if (record.code != 0) {
    line["code"] = record.code;
    line["error"] = record.error;
  }
  write_line(line);
}

/// In one piece, so that a reader meets whole lines, behind whatever a killed process left of its
/// last one.
void TaskJournal::write_line(const Json& line) {
  auto text = dump(line) + '\n';
  char last = '\n';
  const off_t size = lseek(file_, 0, SEEK_END);
  if (size > 0 && pread(file_, &last, 1, size - 1) == 1 && last != '\n') text.insert(0, 1, '\n');
  std::size_t written = 0;
  while (written < text.size()) {
    const auto count = ::write(file_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_write_error(path_, errno);
    written += static_cast<std::size_t>(count);
  }
  if (fsync(file_) != 0 && errno != EINVAL && errno != EROFS) throw_write_error(path_, errno);
}

}  // namespace sd::cli
