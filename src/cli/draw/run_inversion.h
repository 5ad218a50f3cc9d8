#pragma once

#include <memory>
#include <string>

#include "cli/draw/input_picture.h"
#include "cli/plan/draw_plan.h"
#include "sd/pipeline/inversion.h"

namespace sd::cli {

/// What inverts the input picture of a plan as its options say, with this prompt.
InversionRequest inversion_request(const DrawPlan& plan, const RunInputs& inputs,
                                   const std::string& prompt);

/// The noise that inverting draws from: the run's seed, from its start.
SeededNoise inversion_noise(const DrawPlan& plan, const LoadedModel& model);

/// What the pictures of a run are drawn along: that of --inversion, or the input picture inverted
/// now; null where the run follows none. Throws UsageError for a file of another model; else as
/// `invert`.
std::shared_ptr<const Inversion> run_inversion(const DrawPlan& plan, const LoadedModel& model,
                                               const RunInputs& inputs);

/// What --appearance-from shows, inverted along the steps of the run; null where there is none.
/// `source`: what run_inversion gave.
/// Throws as `invert`.
std::shared_ptr<const Inversion> run_appearance(const DrawPlan& plan, const LoadedModel& model,
                                                const RunInputs& inputs, const Inversion* source);

}  // namespace sd::cli
