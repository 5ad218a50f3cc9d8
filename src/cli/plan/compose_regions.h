#pragma once

#include <memory>

#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Puts the prompts of a plan's regions into its prompts.
void compose_regions(DrawPlan& plan);

/// The reader of all prompts of a plan with regions. Throws UsageError as reader_of.
std::shared_ptr<const PromptReader> reader_of_plan(const DrawPlan& plan,
                                                   const DrawOptions& options);

}  // namespace sd::cli
