#pragma once

#include <cstdint>
#include <optional>

#include "cli/options/draw_options.h"
#include "cli/plan/edit_check.h"
#include "cli/plan/plan_context.h"

namespace sd::cli {

struct SettledOptions {
  DrawOptions options;
  std::optional<InputSize> input;  // of --init-img
};

/// The options with what they leave open, as far as that depends on no model: what `--laion400m`
/// and `--precision` stand for, a random seed, folders, the targets of a swap, a control's
/// defaults. Checks them one by one on the way. Throws UsageError and IoError.
SettledOptions settled_options(const DrawOptions& typed, const Say& say);

/// The seed, or where there is none one that is chosen now and said.
uint64_t settled_seed(const DrawOptions& options, const Say& say);

}  // namespace sd::cli
