#pragma once

#include "cli/draw/kept_model.h"
#include "cli/engine/invert_settings.h"
#include "cli/plan/draw_plan.h"
#include "sd/core/error.h"

namespace sd::cli {

/// Inverts the plan's input picture, writes the file and, where asked, what the inversion alone
/// keeps of the picture; tells of both. Throws as `invert` and IoError.
ExitCode invert_plan(const DrawPlan& plan, const InvertSettings& settings, KeptModel& kept);

}  // namespace sd::cli
