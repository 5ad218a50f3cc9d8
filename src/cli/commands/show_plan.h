#pragma once

#include "cli/tasks/draw_command.h"

namespace sd::cli {

/// What --dry-run asks for in place of pictures: prints what a command would do. Returns the exit
/// code. Throws UsageError for a list, and what planning throws.
int show_plan(const DrawCommand& command);

}  // namespace sd::cli
