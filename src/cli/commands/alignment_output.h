#pragma once

#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Prints what happens to each token of each target, as a table on stdout, and what each control
/// is to do.
void print_alignment(const DrawPlan& plan);

}  // namespace sd::cli
