#pragma once

#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Prints what happens to each token of each target where its maps are swapped, as a table on
/// stdout, and what each control is to do.
void print_plan(const DrawPlan& plan);

}  // namespace sd::cli
