#include "cli/tasks/draw_command.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/engine/engine.h"
#include "cli/parser/given_command.h"
#include "cli/plan/draw_check.h"
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

}  // namespace

int draw_pictures(const DrawCommand& command, MakeDrawCommand make) {
  auto& options = *command.options;
  auto& batch = options.batch;
  options.given = given_command(*command.parser);
  if (batch.grid) return draw_grid(command, make);
  if (!options.from_file && (batch.shard || batch.resume || batch.confined)) {
    throw UsageError(fmt::format("{}: there are no tasks\nName their list with --from-file.",
                                 batch.shard    ? "--shard"
                                 : batch.resume ? "--resume"
                                                : "--confined"));
  }
  batch.shard = shard_of(options);
  if (options.from_file) {
    const auto list =
        std::make_shared<const PromptList>(read_task_list(*options.from_file, options.quiet));
    if (batch.shard || batch.resume || has_tasks(*list, *options.from_file)) {
      const auto tasks = task_lines(*list, *options.from_file);
      const auto notice = mixed_list_notice(tasks, *options.from_file);
      if (!notice.empty() && !options.quiet) print_message(notice);
      return draw_tasks(command, make, tasks);
    }
    options.listed = list;
  }
  if (command.settle) command.settle(options);
  check(options);
  return engine().draw(options);
}

}  // namespace sd::cli
