#include "cli/commands/show_plan.h"

#include "cli/commands/alignment_output.h"
#include "cli/parser/given_command.h"
#include "cli/plan/draw_plan.h"
#include "sd/core/error.h"

namespace sd::cli {

int show_plan(const DrawCommand& command) {
  auto& options = *command.options;
  options.given = given_command(*command.parser);
  if (command.check) command.check(options);
  if (options.from_file)
    throw UsageError("--dry-run shows what becomes of one prompt: leave --from-file out");
  if (options.batch.grid)
    throw UsageError("--dry-run shows what becomes of one prompt: leave --grid out");
  auto context = plan_context(options.quiet);
  print_plan(make_plan(options, context));
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace sd::cli
