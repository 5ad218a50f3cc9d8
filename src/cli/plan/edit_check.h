#pragma once

#include <optional>

#include "cli/options/draw_options.h"
#include "cli/plan/plan_context.h"
#include "sd/image/fit.h"

namespace sd::cli {

struct InputSize {
  Size given;  // of the picture
  Size drawn;
};

/// Checks `--init-img` and what belongs to it: that files are pictures, that options fit each
/// other. Returns how large the picture is by its head and is drawn, nothing without one. Throws
/// UsageError or IoError.
std::optional<InputSize> check_input(const DrawOptions& options);

/// Checks the options of `sd swap`: that they belong to the mode, that there is a source where one
/// is needed. Says where source and target are equal. Throws UsageError or IoError.
void check_swap(const DrawOptions& options, const Say& say);

}  // namespace sd::cli
