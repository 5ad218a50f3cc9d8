#pragma once

#include <cstdint>

#include "cli/options/draw_options.h"
#include "sd/core/seed_rule.h"

namespace sd::cli {

// What a command's options say of it, by the rule of sd/core/seed_rule.h.

/// The seed that a picture says it has: that of its stream.
inline uint64_t seed_of(const DrawOptions& options, int64_t sample) {
  return stream_seed(options.seed.value(), stream_of(options.seed_mode, sample));
}

/// Likewise of the noise that `--variation` turns to.
inline uint64_t variation_seed_of(const DrawOptions& options, int64_t sample) {
  return stream_seed(options.variation->seed, stream_of(options.seed_mode, sample));
}

/// The seed of a sample's Brownian path (SDE samplers), which no sample shares in any mode.
inline uint64_t path_seed_of(const DrawOptions& options, int64_t sample) {
  return stream_seed(options.seed.value(), sample);
}

}  // namespace sd::cli
