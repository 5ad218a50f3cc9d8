#pragma once

#include <cstdint>
#include <optional>

#include "sd/core/compute.h"

namespace sd {

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

/// What the random numbers of a run are. Torch-free; sd/pipeline/run_noise.h draws them.
struct SeedRule {
  uint64_t seed = 42;
  SeedMode mode = SeedMode::kBatch;
  std::optional<Variation> variation;
  RngChoice rng = RngChoice::kDevice;
};

}  // namespace sd
