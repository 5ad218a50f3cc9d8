#include "cli/tasks/stored_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "sd/image/whole.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The source that a swap has drawn beside `picture`, if there is one.
fs::path source_beside(const fs::path& picture, const fs::path& outdir) {
  return outdir / "source" / picture.lexically_relative(outdir / "samples");
}

/// Whether a task is done and its pictures are there to their ends.
bool is_whole(const TaskRecord& record, const fs::path& outdir) {
  std::error_code ignored;
  return record.code == 0 && std::ranges::all_of(record.pictures, [&](const fs::path& picture) {
           const auto source = source_beside(picture, outdir);
           return ends_as_picture(picture) &&
                  (!fs::exists(source, ignored) || ends_as_picture(source));
         });
}

/// Whether most of what a run has noted is in the list. Of one that has noted nothing, and does not
/// know its list's content, the number of tasks has to do.
bool has_most_of(const StoredRun& stored, const TaskRun& run) {
  if (stored.records.empty())
    return stored.hash.empty() && stored.tasks == static_cast<int64_t>(run.tasks.size());
  std::unordered_set<std::string_view> texts;
  for (const auto& task : run.tasks) texts.insert(task.text);
  const auto common = std::ranges::count_if(
      stored.records, [&](const TaskRecord& record) { return texts.contains(record.text); });
  return 2 * common > static_cast<std::ptrdiff_t>(stored.records.size());
}

/// How surely `stored` is a run over this list; 0: it is not.
int likeness(const StoredRun& stored, const TaskRun& run, const std::string& hash) {
  if (text_in(stored.header, "command") != run.command) return 0;
  if (stored.hash == hash) return 3;
  const auto name = list_name(run.list);
  if (stored.list == name && name != "-") return 2;
  const bool nameless = stored.list.empty() || (stored.list == "-" && name == "-");
  return nameless && has_most_of(stored, run) ? 1 : 0;
}

Json options_of(const StoredRun& stored) {
  const auto found = stored.header.find("options");
  return found != stored.header.end() && found->is_object() ? *found : Json::object();
}

bool has_same_options(const StoredRun& stored, const TaskRun& run) {
  // As sets: an older version may have listed its options in another order.
  const nlohmann::json before = options_of(stored), now = run.options;
  return before == now;
}

/// Runs of the first form are older, and count by their first picture.
std::pair<bool, int64_t> age(const StoredRun& run) {
  return run.id > 0 ? std::pair(true, run.id) : std::pair(false, run.first);
}

}  // namespace

std::string hash_of(std::span<const TaskLine> tasks) {
  std::string all;
  for (const auto& task : tasks) all += fmt::format("{}:{}\n", task.text.size(), task.text);
  return sha256_hex(std::as_bytes(std::span(all)));
}

std::string list_name(const std::string& from_file) {
  if (from_file == "-") return from_file;
  std::error_code error;
  const auto whole = fs::weakly_canonical(fs::absolute(from_file, error), error);
  return error ? from_file : whole.string();
}

const StoredRun* find_run(const std::vector<StoredRun>& runs, const TaskRun& run,
                          const std::string& hash) {
  const StoredRun* best = nullptr;
  std::tuple<bool, int, std::pair<bool, int64_t>> rank;
  for (const auto& stored : runs) {
    const int like = likeness(stored, run, hash);
    if (like == 0) continue;
    const std::tuple own(has_same_options(stored, run), like, age(stored));
    if (best != nullptr && own <= rank) continue;
    best = &stored;
    rank = own;
  }
  return best;
}

bool is_same_list(const StoredRun& stored, const TaskRun& run, const std::string& hash) {
  const int like = likeness(stored, run, hash);
  return stored.hash.empty() ? like > 0 : stored.hash == hash && like > 0;
}

void check_same_options(const StoredRun& stored, const TaskRun& run) {
  const auto before = options_of(stored);
  const auto text = [](const Json& options, const std::string& key) {
    const auto found = options.find(key);
    return found == options.end() ? std::string("not given") : dump(*found);
  };
  for (const auto* options : {&before, &run.options}) {
    for (const auto& [key, value] : options->items()) {
      if (text(before, key) == text(run.options, key)) continue;
      throw UsageError(fmt::format(
          "{}: --{} was {} when this list was begun, now {}\nRepeat it as it was, or give another "
          "--outdir.",
          stored.file.string(), key, text(before, key), text(run.options, key)));
    }
  }
}

std::vector<std::optional<TaskRecord>> done_tasks(const std::vector<StoredRun>& runs, int64_t of,
                                                  std::span<const TaskLine> tasks,
                                                  const std::string& hash) {
  std::vector<std::optional<TaskRecord>> done(tasks.size());
  std::unordered_map<std::string_view, std::vector<const TaskRecord*>> moved;
  std::set<std::string> seen;  // a task that was drawn again after its picture was lost is one
  const auto put = [&](std::size_t task, const TaskRecord& record) {
    done[task] = record;
    done[task]->task = static_cast<int64_t>(task);
    done[task]->line = tasks[task].line;
  };
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->of != of) continue;
    for (auto record = run->records.rbegin(); record != run->records.rend(); ++record) {
      if (!is_whole(*record, run->file.parent_path())) continue;
      const auto what = record->pictures.empty() ? fmt::format("{}", record->number)
                                                 : record->pictures.front().string();
      if (!seen.insert(what).second) continue;
      const auto task = static_cast<std::size_t>(record->task);
      if (record->task >= 0 && task < tasks.size() && tasks[task].text == record->text &&
          !done[task]) {
        put(task, *record);
      } else if (run->hash != hash) {
        moved[record->text].push_back(&*record);
      }
    }
  }
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    const auto found = done[task] ? moved.end() : moved.find(tasks[task].text);
    if (found == moved.end() || found->second.empty()) continue;
    put(task, *found->second.back());  // the first one noted
    found->second.pop_back();
  }
  return done;
}

std::vector<int64_t> taken_numbers(const std::vector<StoredRun>& runs, int64_t of) {
  std::vector<int64_t> numbers;
  for (const auto& run : runs) {
    if (run.of != of) continue;
    for (const auto& record : run.records) {
      if (is_whole(record, run.file.parent_path()) && !record.pictures.empty())
        numbers.push_back(record.number);
    }
  }
  std::ranges::sort(numbers);
  return numbers;
}

}  // namespace sd::cli
