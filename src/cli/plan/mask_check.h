#pragma once

#include "cli/options/draw_options.h"

namespace sd::cli {

/// Checks what says where a picture may change: that masks are pictures and do not contradict each
/// other, that --auto-mask has a picture to look at, that regions and concepts go with the rest.
/// Throws UsageError or IoError.
void check_masks(const DrawOptions& options);

}  // namespace sd::cli
