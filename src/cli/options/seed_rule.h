#pragma once

#include <cstdint>

#include "cli/options/draw_options.h"

namespace sd::cli {

// What random numbers come from, in one place. A run has one stream of them, begun with its seed,
// from which batch after batch is drawn; with --seed-mode image every sample has a stream of its
// own, begun with the seed plus the sample's number in the run. Task number n of a list draws from
// seed + n unless a seed is named (task_parser.cpp), and all cells of a grid from one seed.

/// The number of the stream that sample `sample` of the run draws from.
inline int64_t stream_of(SeedMode mode, int64_t sample) {
  return mode == SeedMode::kImage ? sample : 0;
}

/// What stream number `stream` begins with.
inline uint64_t stream_seed(uint64_t seed, int64_t stream) {
  return seed + static_cast<uint64_t>(stream);
}

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
