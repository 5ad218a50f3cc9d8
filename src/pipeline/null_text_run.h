#pragma once

#include "sd/pipeline/inversion.h"

namespace sd {

/// Adds to an inversion, whose path and context are there, what stands for the empty prompt in each
/// step: null-text optimisation (null_text.h), from where request.resume stopped. `unconditional`
/// is the negative prompt's context [K,D], which it starts from. Outside of inference mode. Errors
/// as `invert`.
void optimise_inversion(const LoadedModel& model, const InversionRequest& request,
                        const torch::Tensor& unconditional, Inversion& inversion);

}  // namespace sd
