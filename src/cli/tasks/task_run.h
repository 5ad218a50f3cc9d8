#pragma once

#include <optional>
#include <vector>

#include "cli/options/shard.h"
#include "cli/tasks/draw_command.h"
#include "cli/tasks/task_list.h"

namespace sd::cli {

/// Draws the tasks of a list that are this process's share (`shard`; absent: all), one after the
/// other with one loaded model or side by side on several GPUs, and keeps a journal in OUTDIR. A
/// task that fails is reported and the rest go on; what every task would fail at ends the run.
/// Returns kDone, kPartOfBatch if any failed, or the code of what ended it. Throws UsageError and
/// IoError as TaskJournal does.
int draw_tasks(const DrawCommand& command, MakeDrawCommand make, const std::vector<TaskLine>& tasks,
               const std::optional<Shard>& shard);

}  // namespace sd::cli
