#pragma once

#include <cstdint>
#include <optional>

#include "sd/core/compute.h"

namespace sd {

// What random numbers come from, in one place. A run has one stream of them, begun with its seed,
// from which batch after batch is drawn; with SeedMode::kImage every sample has a stream of its
// own, begun with the seed plus the sample's number in the run. Task number n of a list draws from
// seed + n unless a seed is named, and all cells of a grid from one seed.

/// What a picture's random numbers come from.
enum class SeedMode {
  kBatch,  // one draw for a batch, as the original scripts make it
  kImage,  // picture i has the numbers of seed + i drawn alone
};

/// A start that lies so far on the way to that of another seed.
struct Variation {
  uint64_t seed = 0;
  double strength = 0;  // 0 to 1
};

/// The number of the stream that sample `sample` of the run draws from.
inline int64_t stream_of(SeedMode mode, int64_t sample) {
  return mode == SeedMode::kImage ? sample : 0;
}

/// What stream number `stream` begins with.
inline uint64_t stream_seed(uint64_t seed, int64_t stream) {
  return seed + static_cast<uint64_t>(stream);
}

/// What the random numbers of a run are. Torch-free; sd/pipeline/run_noise.h draws them.
struct SeedRule {
  uint64_t seed = 42;
  SeedMode mode = SeedMode::kBatch;
  std::optional<Variation> variation;
  RngChoice rng = RngChoice::kDevice;
};

}  // namespace sd
