#pragma once

#include <string>

#include "cli/options/draw_options.h"

namespace sd::cli {

/// Reads a value of `--outdir`. Throws UsageError for the name of a picture, which is what the
/// option's other names mean elsewhere.
void read_outdir(DrawOptions& options, const std::string& option, const std::string& text);

/// The same whatever the folder's name is: `--save_dir`.
void read_outdir_as_it_is(DrawOptions& options, const std::string& option, const std::string& text);

}  // namespace sd::cli
