#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "sd/core/noise_source.h"
#include "sd/pipeline/run_noise.h"

namespace sd {

/// The random numbers of samples that share a batch and nothing else: each has a stream of its own,
/// from which it gets what it would get if it were drawn alone.
class SampleNoise final : public NoiseSource {
 public:
  /// One stream a sample.
  explicit SampleNoise(std::vector<std::unique_ptr<RunNoise>> samples)
      : samples_(std::move(samples)) {}

  RunNoise& of(std::size_t sample) { return *samples_[sample]; }
  /// Rows stand branch by branch, as many a branch as there are samples. Throws UsageError for
  /// another number of them.
  torch::Tensor randn(at::IntArrayRef shape) override;

 private:
  std::vector<std::unique_ptr<RunNoise>> samples_;
};

}  // namespace sd
