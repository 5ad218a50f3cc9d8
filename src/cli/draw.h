#pragma once

#include "cli/draw_options.h"
#include "sd/core/error.h"

namespace sd::cli {

/// `sd txt2img` with checked options: finds and loads the model, draws, writes. Returns the exit
/// code of a run that came to its end; throws Error for one that did not. Finished pictures stay in
/// either case.
ExitCode run_draw(const DrawOptions& options);

}  // namespace sd::cli
