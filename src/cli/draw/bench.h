#pragma once

#include "cli/draw/kept_model.h"
#include "cli/engine/bench_settings.h"
#include "cli/plan/draw_plan.h"
#include "sd/core/error.h"

namespace sd::cli {

/// Loads the plan's model, warms it up and measures: one batch from prompt to file, or what
/// standard input asks for. Results go to stdout. Throws Error as draw_plan does, UsageError for
/// what standard input asks for and is not known.
ExitCode bench_plan(const DrawPlan& plan, const BenchSettings& settings, KeptModel& kept);

}  // namespace sd::cli
