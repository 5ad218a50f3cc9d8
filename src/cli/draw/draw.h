#pragma once

#include <vector>

#include "cli/draw/kept_model.h"
#include "cli/engine/engine.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/grid_cells.h"
#include "sd/core/error.h"

namespace sd::cli {

/// What loads the plan's model; its progress goes nowhere yet.
LoadRequest load_request(const DrawPlan& plan);

/// Draws what the plan says, on one lane or all of them (plan/lanes.h): loads the model unless it
/// is the one that is kept, draws, writes, and tells of the pictures in `outcome`. Returns the exit
/// code of a run that came to its end; throws Error for one that did not. Finished pictures stay in
/// either case.
ExitCode draw_plan(const DrawPlan& plan, KeptModels& kept, DrawOutcome& outcome);

/// The same for cells of a grid in common batches, with one outcome for each. Throws UsageError
/// where they cannot share one, which then has been seen before anything is drawn.
ExitCode draw_cells(const GridCells& cells, KeptModels& kept, std::vector<DrawOutcome>& outcomes);

}  // namespace sd::cli
