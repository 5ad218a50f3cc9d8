#pragma once

#include "cli/draw/kept_model.h"
#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Says what of the run's prompts the model will not see or does not know, unless the run is quiet.
/// What words the model knows is said once, whatever number of tasks it draws.
void announce_prompts(const DrawPlan& plan, const LoadedModel& model, ToldOfModels& told);

}  // namespace sd::cli
