#include "cli/tasks/draw_command.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "cli/engine/engine.h"
#include "cli/parser/given_command.h"
#include "cli/plan/draw_plan.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "cli/tasks/grid_run.h"
#include "cli/tasks/task_list.h"
#include "cli/tasks/task_run.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// The share that was asked for, or else the one that a launcher gives each of its processes.
std::optional<Shard> shard_of(const DrawOptions& options) {
  if (options.batch.shard || !options.from_file) return options.batch.shard;
  const auto launched = launched_shard();
  if (!launched) return std::nullopt;
  if (!options.quiet) {
    print_message(
        fmt::format("shard {}, started by {}", launched->shard.text(), launched->launcher));
  }
  return launched->shard;
}

/// One run, of the prompts that the options name or of those of a list.
int draw_run(const DrawCommand& command, std::shared_ptr<const PromptList> listed) {
  const auto& options = *command.options;
  if (command.check) command.check(options);
  auto context = plan_context(options.quiet);
  context.listed = std::move(listed);
  context.refuse = [&options](const BadLine& bad) {
    report_error(fmt::format("line {} {}", bad.line, bad.reason),
                 static_cast<int>(ExitCode::kUsage), options.json, {{"lines", {bad.line}}});
  };
  const auto plan = make_plan(options, context);  // before the drawing half is opened
  return engine().draw(plan);
}

}  // namespace

PlanContext plan_context(bool quiet) {
  PlanContext context;
  if (!quiet) context.say = [](const std::string& text) { print_message(text); };
  return context;
}

int draw_pictures(const DrawCommand& command, MakeDrawCommand make) {
  command.options->given = given_command(*command.parser);  // the last that parsing leaves
  const auto& options = *command.options;
  const auto& batch = options.batch;
  if (batch.grid) return draw_grid(command, make);
  if (!options.from_file && (batch.shard || batch.resume || batch.confined)) {
    throw UsageError(fmt::format("{}: there are no tasks\nName their list with --from-file.",
                                 batch.shard    ? "--shard"
                                 : batch.resume ? "--resume"
                                                : "--confined"));
  }
  if (!options.from_file) return draw_run(command, nullptr);
  const auto shard = shard_of(options);
  auto list = std::make_shared<const PromptList>(read_task_list(*options.from_file, options.quiet));
  if (!shard && !batch.resume && !has_tasks(*list, *options.from_file))
    return draw_run(command, std::move(list));
  const auto tasks = task_lines(*list, *options.from_file);
  const auto notice = mixed_list_notice(tasks, *options.from_file);
  if (!notice.empty() && !options.quiet) print_message(notice);
  return draw_tasks(command, make, tasks, shard);
}

}  // namespace sd::cli
