#include "sd/core/philox.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "sd/core/error.h"

namespace sd {
namespace {

using Counter = std::array<uint32_t, 4>;

/// Philox 4x32 with 10 rounds; constants and structure of Salmon et al., "Parallel random numbers:
/// as easy as 1, 2, 3".
Counter philox4x32_10(Counter counter, uint64_t seed) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
  constexpr uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
  constexpr int kRounds = 10;
  auto key0 = static_cast<uint32_t>(seed);
  auto key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {
        static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
        static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

/// cuRAND's Box-Muller transform of two 32-bit words, in float32 as the device computes it.
std::array<float, 2> box_muller(uint32_t x, uint32_t y) {
  constexpr float kTo01 = 2.3283064e-10F;  // 2^-32
  constexpr float kTo2Pi = 2.3283064e-10F * 6.2831855F;
  const float u = static_cast<float>(x) * kTo01 + kTo01 / 2;  // (0,1]: the logarithm is finite
  const float angle = static_cast<float>(y) * kTo2Pi + kTo2Pi / 2;
  const float radius = std::sqrt(-2.0F * std::log(u));
  return {radius * std::sin(angle), radius * std::cos(angle)};
}

/// curand_normal4 of thread `subsequence` at its 128-bit draw number `offset`.
std::array<float, 4> normal4(uint64_t seed, uint64_t subsequence, uint64_t offset) {
  const Counter words =
      philox4x32_10({static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32),
                     static_cast<uint32_t>(subsequence), static_cast<uint32_t>(subsequence >> 32)},
                    seed);
  const auto first = box_muller(words[0], words[1]);
  const auto second = box_muller(words[2], words[3]);
  return {first[0], first[1], second[0], second[1]};
}

// PyTorch's launch of a distribution kernel (aten/src/ATen/native/cuda/DistributionTemplates.h):
// blocks of 256 threads, no more of them than fit on the GPU at once. An A100 has 108
// multiprocessors of 2048 threads, 221,184 threads in all. A GPU with another number of threads
// lays out a draw differently if the draw has more numbers than the smaller GPU has threads (13
// pictures of 512x512 for an A100).
constexpr int64_t kBlock = 256;
constexpr int64_t kMaxGrid = 108 * (2048 / kBlock);
constexpr int64_t kUnroll = 4;  // a thread draws four numbers at a time

}  // namespace

std::vector<float> CudaPhilox::randn(int64_t count) {
  if (count < 0) throw Error("cannot draw a negative number of random numbers");
  std::vector<float> values(static_cast<std::size_t>(count));
  if (count == 0) return values;  // PyTorch launches no kernel then, and the offset stays
  const int64_t threads = kBlock * std::min((count - 1) / kBlock + 1, kMaxGrid);
  const int64_t stride = threads * kUnroll;
  const int64_t rounds = (count - 1) / stride + 1;
  for (int64_t round = 0; round < rounds; ++round) {
    const int64_t start = round * stride;
    const int64_t active = std::min(threads, count - start);
    for (int64_t thread = 0; thread < active; ++thread) {
      const auto normals =
          normal4(seed_, static_cast<uint64_t>(thread), offset_ + static_cast<uint64_t>(round));
      for (int64_t part = 0; part < kUnroll; ++part) {
        const int64_t index = start + part * threads + thread;
        if (index >= count) break;
        values[static_cast<std::size_t>(index)] = normals[static_cast<std::size_t>(part)];
      }
    }
  }
  offset_ += static_cast<uint64_t>(rounds);
  return values;
}

}  // namespace sd
