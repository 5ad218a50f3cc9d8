#pragma once

#include "sd/pipeline/inversion.h"

namespace sd {

/// Adds to an inversion, whose path is there, what stands for the empty prompt in each step:
/// null-text optimisation (null_text.h), from where request.resume stopped. Errors as `invert`.
void optimise_inversion(const LoadedModel& model, const InversionRequest& request,
                        Inversion& inversion);

}  // namespace sd
