#pragma once

#include "cli/txt2img_options.h"
#include "sd/core/error.h"

namespace sd::cli {

/// `sd txt2img` with checked options: finds and loads the model, draws, writes. Returns the exit
/// code of a run that came to its end; throws Error for one that did not. Finished pictures stay in
/// either case.
ExitCode run_txt2img(const Txt2ImgOptions& options);

}  // namespace sd::cli
