#pragma once

#include <cstdint>
#include <vector>

namespace sd {

/// The normal numbers that `torch.randn` gives on a CUDA device: Philox 4x32-10 (Salmon et al., SC
/// 2011), one counter per thread of PyTorch's grid, Box-Muller as cuRAND does it. Works on any
/// machine.
///
/// A draw of more than 221,184 numbers (13 pictures of 512x512) is laid out as on an A100 (108
/// multiprocessors of 2048 threads); smaller ones are the same on every GPU that can hold them at
/// once.
class CudaPhilox {
 public:
  /// `seed` as given to torch.manual_seed; the offset starts at 0.
  explicit CudaPhilox(uint64_t seed) : seed_(seed) {}

  /// The next `count` numbers of one torch.randn call; successive calls continue as successive
  /// draws on the device do.
  std::vector<float> randn(int64_t count);

 private:
  uint64_t seed_;
  uint64_t offset_ = 0;
};

}  // namespace sd
