#include "cli/task_run.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/json_lines.h"
#include "cli/task_journal.h"
#include "cli/task_parser.h"
#include "cli/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

class TaskLoop {
 public:
  TaskLoop(const DrawCommand& command, MakeDrawCommand make, const std::vector<TaskLine>& tasks)
      : options_(*command.options),
        parser_(command, make),
        journal_(options_.outdir,
                 {command.parser->get_name(), parser_.own_options(), *options_.from_file, tasks,
                  options_.batch.shard, options_.batch.resume}),
        tasks_(tasks) {
    // Objects in, objects out.
    options_.json = options_.json || (!tasks.empty() && tasks.front().form == TaskForm::kObject);
  }

  int run() {
    const auto& shard = options_.batch.shard;
    if (options_.batch.resume && !journal_.goes_on() && !options_.quiet) {
      print_message(
          fmt::format("--resume: {} was not begun in {}, so none of its tasks is done yet",
                      list_label(), options_.outdir.string()));
    }
    for (const auto& task : tasks_) share_ += !shard || shard->takes(task.number) ? 1 : 0;
    for (const auto& task : tasks_) {
      if (shard && !shard->takes(task.number)) continue;
      if (const auto* done = journal_.done(task.number)) {
        ++skipped_;
        if (options_.json) output_.line(task_json_line(*done, "skipped"));
        continue;
      }
      const bool hopeless = draw(task);
      if (hopeless) return conclude(last_code_);
    }
    return conclude(failed_ == 0 ? static_cast<int>(ExitCode::kDone)
                                 : static_cast<int>(ExitCode::kPartOfBatch));
  }

 private:
  std::string list_label() const {
    return *options_.from_file == "-" ? "the same list on standard input" : *options_.from_file;
  }

  /// Whether the run is at its end.
  bool draw(const TaskLine& task) {
    const auto began = std::chrono::steady_clock::now();
    TaskRecord record;
    record.task = task.number;
    record.line = task.line;
    record.text = task.text;
    bool hopeless = false;
    TypedNames typed;
    try {
      auto options = parser_.parse(task, typed);
      options.json = options_.json;
      options.batch.resume = options_.batch.resume;
      options.place = {fmt::format("line {}, ", task.line), journal_.picture_number(task.number),
                       model_loaded_};
      check(options);
      DrawOutcome outcome;
      engine().draw_task(options, outcome);
      model_loaded_ = true;
      record.code = outcome.code;
      record.error = std::move(outcome.error);
      record.pictures = std::move(outcome.pictures);
      hopeless = is_hopeless(outcome.code);
    } catch (const Error& error) {
      record.code = static_cast<int>(error.code());
      record.error = error.what();
      // Nothing in the line would change it.
      hopeless = error.code() == ExitCode::kFailed;
    }
    record.error = respelled(record.error, typed);
    record.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    last_code_ = record.code;
    report(record);
    return hopeless;
  }

  /// A model that cannot be read may be one task's own; memory, a full disk and Ctrl-C are
  /// everyone's.
  static bool is_hopeless(int code) {
    return code == static_cast<int>(ExitCode::kInterrupted) ||
           code == static_cast<int>(ExitCode::kMemory) ||
           code == static_cast<int>(ExitCode::kInputOutput);
  }

  void report(const TaskRecord& record) {
    if (record.code == static_cast<int>(ExitCode::kInterrupted)) return;  // neither done nor failed
    journal_.add(record);
    ++(record.code == 0 ? done_ : failed_);
    if (record.code != 0) {
      print_message(fmt::format("line {}: {}", record.line, record.error));
    }
    if (options_.json) output_.line(task_json_line(record, record.code == 0 ? "done" : "failed"));
  }

  int conclude(int code) {
    const bool all_well = code == static_cast<int>(ExitCode::kDone);
    if (options_.quiet && all_well) return code;
    std::string text = fmt::format("{} of {} done", done_, counted(share_, "task"));
    if (skipped_ > 0) text += fmt::format(", {} done before", skipped_);
    if (failed_ > 0) text += fmt::format(", {} failed", failed_);
    if (!all_well) text += fmt::format("\n--resume with {} draws what is missing.", list_label());
    print_message(text);
    if (code == static_cast<int>(ExitCode::kInterrupted) && options_.json)
      output_.line(error_json_line("interrupted", code));
    return code;
  }

  DrawOptions options_;
  TaskParser parser_;
  TaskJournal journal_;
  const std::vector<TaskLine>& tasks_;
  StandardOutput output_;
  std::size_t share_ = 0, skipped_ = 0, done_ = 0, failed_ = 0;
  bool model_loaded_ = false;
  int last_code_ = 0;
};

}  // namespace

int draw_tasks(const DrawCommand& command, MakeDrawCommand make,
               const std::vector<TaskLine>& tasks) {
  return TaskLoop(command, make, tasks).run();
}

}  // namespace sd::cli
