#include "cli/tasks/task_run.h"

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "cli/engine/engine.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/lanes.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/memory_words.h"
#include "cli/shell/text_output.h"
#include "cli/shell/turns.h"
#include "cli/tasks/lost_journal.h"
#include "cli/tasks/task_journal.h"
#include "cli/tasks/task_parser.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

class TaskLoop {
 public:
  TaskLoop(const DrawCommand& command, MakeDrawCommand make, const std::vector<TaskLine>& tasks,
           const std::optional<Shard>& shard)
      : options_(*command.options),
        parser_(command, make),
        journal_(options_.folder(),
                 {command.parser->get_name(), parser_.own_options(), *options_.from_file, tasks,
                  shard, options_.batch.resume, options_.picture.name,
                  [this](const TaskLine& task) { return key_of(task); }}),
        tasks_(tasks),
        shard_(shard),
        context_(plan_context(options_.quiet)),
        // Objects in, objects out.
        json_(options_.json || (!tasks.empty() && tasks.front().form == TaskForm::kObject)) {}

  int run() {
    if (options_.batch.resume && !journal_.goes_on() && !options_.quiet) say_what_is_known();
    std::size_t left = 0;
    for (const auto& task : tasks_) {
      if (!is_ours(task)) continue;
      share_.push_back(&task);
      left += journal_.done(task.number) == nullptr ? 1 : 0;
    }
    const auto lanes = lanes_of(options_);
    Turns turns(share_.size(), kAhead * lanes.size());
    if (lanes.size() == 1 || left < lanes.size()) {  // each of few tasks is divided itself
      work(turns, std::nullopt);
    } else {
      if (options_.verbose > 0) print_message("tasks are divided among " + lanes_text(lanes));
      engine().side_by_side(lanes.size(), turns, [&](std::size_t lane) { work(turns, lane); });
    }
    return conclude(hopeless_ ? last_code_ : code_of_list());
  }

 private:
  /// How far a lane may be before the task that is told of next, in tasks a lane.
  static constexpr std::size_t kAhead = 2;

  /// What became of a task.
  struct TaskEnd {
    TaskRecord record;
    bool was_there = false;
    bool hopeless = false;  // for those that follow too
  };

  /// Draws tasks as long as there are any, on one lane or each on all of them.
  void work(Turns& turns, const std::optional<std::size_t>& lane) {
    while (const auto unit = turns.begin()) {
      const auto& task = *share_[*unit];
      Turn turn(turns, *unit);
      if (const auto* done = journal_.done(task.number)) {
        if (!turn.take()) return;
        ++skipped_;
        if (json_) output_.line(task_json_line(*done, "skipped"));
      } else {
        const auto end = draw(task, turn, lane);
        if (!turn.take()) return;  // one before it ended the list
        last_code_ = end.record.code;
        report(end.record, end.was_there);
        hopeless_ = end.hopeless;
        if (hopeless_) return turns.stop();
      }
      turns.pass();
    }
  }

  bool is_ours(const TaskLine& task) const { return !shard_ || shard_->takes(task.number); }

  /// Before a list is begun that was to be gone on with.
  void say_what_is_known() const {
    const auto outdir = options_.folder().string();
    if (journal_.orphans() > 0) {
      print_message(fmt::format(
          "{}: the beginning of the journal is lost, so {} cannot be assigned to a list; pictures "
          "tell what is done",
          outdir, counted(journal_.orphans(), "record")));
    }
    if (journal_.found_tasks() == 0) {
      print_message(
          fmt::format("--resume: {} was not begun in {}, so none of its tasks is done yet",
                      list_label(), outdir));
    } else {
      print_message(
          fmt::format("--resume: no journal in {} knows {}, but there are pictures of {}. A "
                      "picture that is whole and has all settings of its task is kept; the "
                      "journal is written anew",
                      outdir, list_label(), counted(journal_.found_tasks(), "task")));
    }
  }

  /// Empty where the line cannot be read: it has no picture.
  std::string key_of(const TaskLine& task) const {
    try {
      TypedNames typed;
      return picture_key(parser_.parse(task, typed));
    } catch (const UsageError&) {
      return {};
    }
  }

  std::string list_label() const {
    return *options_.from_file == "-" ? "the same list on standard input" : *options_.from_file;
  }

  /// What it says waits for its turn, as all that the plan of a task says.
  DrawPlan plan_of(const TaskLine& task, TypedNames& typed, Turn& turn,
                   const std::optional<std::size_t>& lane) {
    const std::lock_guard lock(planning_);
    auto options = parser_.parse(task, typed);
    options.json = json_;
    options.batch.resume = options_.batch.resume;
    options.batch.confined = options_.batch.confined;
    context_.place = {.label = fmt::format("line {}, ", task.line),
                      .picture_number = journal_.picture_number(task.number),
                      .follows = follows_,
                      .turn = &turn};
    if (!options_.quiet) {
      context_.say = [&turn](const std::string& text) {
        turn.tell([text] { print_message(text); });
      };
    }
    auto plan = make_plan(options, context_);
    if (lane) put_on_lane(plan, *lane);
    follows_ = true;
    return plan;
  }

  TaskEnd draw(const TaskLine& task, Turn& turn, const std::optional<std::size_t>& lane) {
    const auto began = std::chrono::steady_clock::now();
    TaskEnd end;
    auto& record = end.record;
    record.task = task.number;
    record.line = task.line;
    record.text = task.text;
    bool opening = false;
    TypedNames typed;
    try {
      const auto plan = plan_of(task, typed, turn, lane);
      opening = true;
      const auto& drawing = engine();
      opening = false;
      DrawOutcome outcome;
      drawing.draw_task(plan, outcome);
      record.code = outcome.code;
      record.error = std::move(outcome.error);
      record.pictures = std::move(outcome.pictures);
      end.was_there = outcome.was_there;
      end.hopeless = is_hopeless(outcome.code);
    } catch (const Error& error) {
      record.code = static_cast<int>(error.code());
      record.error = error.what();
      if (error.code() == ExitCode::kMemory) record.error = with_memory_advice(record.error);
      // Nothing in the line would change it.
      end.hopeless = opening || error.code() == ExitCode::kFailed;
    }
    record.error = respelled(record.error, typed);
    record.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return end;
  }

  /// A model that cannot be read may be one task's own, and a picture too large for the memory is;
  /// a full disk and Ctrl-C are everyone's.
  static bool is_hopeless(int code) {
    return code == static_cast<int>(ExitCode::kInterrupted) ||
           code == static_cast<int>(ExitCode::kInputOutput);
  }

  /// Of a list that came to its end.
  int code_of_list() const {
    if (failed_ == 0) return static_cast<int>(ExitCode::kDone);
    const bool all_lacked_memory = done_ + skipped_ == 0 && failed_ == lacked_memory_;
    return static_cast<int>(all_lacked_memory ? ExitCode::kMemory : ExitCode::kPartOfBatch);
  }

  void report(const TaskRecord& record, bool was_there) {
    if (record.code == static_cast<int>(ExitCode::kInterrupted)) return;  // neither done nor failed
    journal_.add(record);
    ++(was_there ? skipped_ : record.code == 0 ? done_ : failed_);
    if (record.code == static_cast<int>(ExitCode::kMemory)) ++lacked_memory_;
    if (record.code != 0) {
      print_message(fmt::format("line {}: {}", record.line, record.error));
    }
    const char* status = was_there ? "skipped" : record.code == 0 ? "done" : "failed";
    if (json_) output_.line(task_json_line(record, status));
  }

  int conclude(int code) {
    const bool all_well = code == static_cast<int>(ExitCode::kDone);
    if (options_.quiet && all_well) return code;
    std::string text = fmt::format("{} of {} done", done_, counted(share_.size(), "task"));
    if (skipped_ > 0) text += fmt::format(", {} done before", skipped_);
    if (failed_ > 0) text += fmt::format(", {} failed", failed_);
    if (!all_well) text += fmt::format("\n--resume with {} draws what is missing.", list_label());
    print_message(text);
    if (code == static_cast<int>(ExitCode::kInterrupted) && json_)
      output_.line(error_json_line("interrupted", code));
    return code;
  }

  const DrawOptions& options_;
  TaskParser parser_;
  TaskJournal journal_;
  const std::vector<TaskLine>& tasks_;
  const std::optional<Shard>& shard_;
  PlanContext context_;
  const bool json_;
  StandardOutput output_;
  std::vector<const TaskLine*> share_;  // of this process
  std::mutex planning_;                 // parser_, context_ and follows_
  bool follows_ = false;                // a task that said what holds for all
  // These belong to the task whose turn it is.
  std::size_t skipped_ = 0, done_ = 0, failed_ = 0, lacked_memory_ = 0;
  bool hopeless_ = false;
  int last_code_ = 0;
};

}  // namespace

int draw_tasks(const DrawCommand& command, MakeDrawCommand make, const std::vector<TaskLine>& tasks,
               const std::optional<Shard>& shard) {
  return TaskLoop(command, make, tasks, shard).run();
}

}  // namespace sd::cli
