#pragma once

#include <cstdint>

namespace sd {

/// How much memory the autoencoder's maps may take while this CPU's own kernels compute one
/// picture. What would take more is computed in bands of rows: of the same values, but for
/// rounding.
struct VaeMemory {
  int64_t most = 1'500'000'000;  // bytes; what cannot be had with less takes what it must
  int64_t band_rows = 0;         // in a band; 0: as many as a fixed amount of memory holds
};

}  // namespace sd
