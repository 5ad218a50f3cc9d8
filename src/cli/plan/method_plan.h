#pragma once

#include <vector>

#include "cli/plan/control_plan.h"

namespace sd::cli {

/// Each adds what a plan's methods of editing are to do: rows that look at other rows; guides by
/// gradients; regions, concepts and masks; a picture that is inverted.
void add_sharing(const DrawPlan& plan, std::vector<PlannedControl>& planned);
void add_guides(const DrawPlan& plan, std::vector<PlannedControl>& planned);
void add_places(const DrawPlan& plan, std::vector<PlannedControl>& planned);
void add_inversion(const DrawPlan& plan, std::vector<PlannedControl>& planned);

}  // namespace sd::cli
