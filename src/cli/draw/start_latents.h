#pragma once

#include <array>
#include <cstdint>

#include "cli/options/draw_options.h"
#include "sd/core/seed_rule.h"
#include "sd/pipeline/start_latents.h"

namespace sd::cli {

/// What the options say of the run's random numbers.
SeedRule seed_rule_of(const DrawOptions& options);

/// What batches start from: rows of `--init-latents`, the one draw of `--fixed_code` (in a swap, as
/// in the fork, one start for all samples), or fresh noise. Latents of [channels, height, width].
/// Reads `--init-latents`: throws IoError if the file cannot be read, UsageError if its shape does
/// not fit.
StartLatents start_latents_of(const DrawOptions& options, std::array<int64_t, 3> shape);

}  // namespace sd::cli
