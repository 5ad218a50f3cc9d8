#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace sd::test {

/// What successive calls of `torch.randn(n, generator=g)` give on a CPU with AVX2 and FMA, bit for
/// bit, where n is below 16 or a multiple of 16: the stream that the tiny model's weights were
/// drawn from. LibTorch is not needed, and any CPU and compiler gives the same.
class TorchNormal {
 public:
  explicit TorchNormal(uint32_t seed) : engine_(seed) {}
  std::vector<float> randn(std::size_t count);

 private:
  double uniform();
  double one();

  std::mt19937 engine_;
  std::optional<double> second_;  // of a pair that `one` made
};

}  // namespace sd::test
