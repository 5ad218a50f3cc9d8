#include "sd/pipeline/sample_noise.h"

#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

torch::Tensor SampleNoise::randn(at::IntArrayRef shape) {
  const auto samples = static_cast<int64_t>(samples_.size());
  if (shape.empty() || shape[0] % samples != 0) {
    throw UsageError(fmt::format("noise of {} rows cannot be that of {} samples",
                                 shape.empty() ? 0 : shape[0], samples));
  }
  std::vector<int64_t> one(shape.begin(), shape.end());
  one[0] /= samples;
  std::vector<torch::Tensor> drawn;
  for (const auto& sample : samples_) drawn.push_back(sample->of_batch(0).randn(one));
  return at::stack(drawn, 1).flatten(0, 1);  // [branches,N,...]
}

}  // namespace sd
