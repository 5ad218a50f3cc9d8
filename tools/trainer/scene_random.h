#pragma once

#include <cstdint>

namespace sd::train {

/// One step of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// 2014) as a hash of 64 bits.
constexpr uint64_t mix_bits(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// SplitMix64 for the sequence `index` of `seed`. The same numbers on every machine, which the
/// standard library's distributions do not promise.
class SceneRandom {
 public:
  constexpr SceneRandom(uint64_t seed, uint64_t index)
      : state_(mix_bits(mix_bits(seed + kStep) ^ mix_bits(index * kStep + 1))) {}

  constexpr uint64_t next() { return mix_bits(state_ += kStep); }
  /// In [0,1).
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  constexpr double between(double low, double high) { return low + (high - low) * uniform(); }
  /// In [0,n), n > 0.
  constexpr int below(int n) { return static_cast<int>(uniform() * n); }
  /// In [low,high].
  constexpr int between(int low, int high) { return low + below(high - low + 1); }
  constexpr bool chance(double probability) { return uniform() < probability; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;  // the golden ratio, as in the paper
  uint64_t state_;
};

}  // namespace sd::train
