#pragma once

#include "cli/options/draw_options.h"

namespace sd::cli {

/// Checks `--init-img` and what belongs to it: that files are pictures, that options fit each
/// other. Throws UsageError or IoError.
void check_input(const DrawOptions& options);

/// Checks the options of `sd swap`: that they belong to the mode, that there is a source where one
/// is needed. Warns where source and target are equal. Throws UsageError or IoError.
void check_swap(const DrawOptions& options);

}  // namespace sd::cli
