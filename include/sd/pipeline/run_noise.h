#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "sd/core/noise_source.h"
#include "sd/core/seed_rule.h"

namespace sd {

/// A run's random numbers: one stream for all batches, or one for each picture; and where a
/// variation is asked for, starts between those of two seeds.
class RunNoise {
 public:
  RunNoise(const SeedRule& rule, torch::Device device) : rule_(rule), device_(device) {}

  /// What the batch whose first sample is number `first` of the run draws from. With one stream a
  /// picture, a batch is one picture.
  NoiseSource& of_batch(int64_t first);

  /// The start [count,4,h,w] of that batch, drawn now, if it is not simply the next draw from
  /// `of_batch`.
  std::optional<torch::Tensor> start(int64_t first, at::IntArrayRef shape);

 private:
  SeededNoise make(uint64_t seed) const { return {seed, rule_.rng, device_}; }

  SeedRule rule_;
  torch::Device device_;
  std::optional<SeededNoise> noise_, other_;
  std::optional<int64_t> current_;  // the picture that noise_ and other_ are of
};

/// Spherical interpolation of noises a and b [N,...], each sample as one vector: a at 0, b at 1,
/// normal in between (Shoemake 1985).
torch::Tensor slerp(const torch::Tensor& a, const torch::Tensor& b, double part);

}  // namespace sd
