#pragma once

#include <cstdint>
#include <vector>

namespace sd {

/// The normal numbers that `torch.randn` gives on a CUDA device: Philox 4x32-10 (Salmon et al., SC 2011), one counter
/// per thread of PyTorch's grid, Box-Muller as cuRAND does it. Works on any machine.
class CudaPhilox {
 public:
  /// `seed` as given to torch.manual_seed; the offset starts at 0.
  explicit CudaPhilox(uint64_t seed) : seed_(seed) {}

  /// The next `count` numbers of one torch.randn call; successive calls continue as successive draws on the device do.
  std::vector<float> randn(int64_t count);

 private:
  uint64_t seed_;
  uint64_t offset_ = 0;
};

}  // namespace sd
