#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "sd/core/compute.h"
#include "sd/core/philox.h"

namespace sd {

/// Standard normal numbers from one seed, explicit instead of torch's global generator.
class NoiseSource {
 public:
  /// kDevice draws with `device`'s own generator, kCpu with the CPU's, kCuda the numbers of a CUDA device anywhere.
  NoiseSource(uint64_t seed, RngChoice kind, torch::Device device);

  /// Float32 tensor of `shape` on the source's device; successive calls continue the stream.
  torch::Tensor randn(at::IntArrayRef shape);
  /// As `randn` with the shape of `x`.
  torch::Tensor like(const torch::Tensor& x) { return randn(x.sizes()); }

 private:
  torch::Device device_;
  torch::Device draw_device_;
  std::optional<at::Generator> generator_;
  std::optional<CudaPhilox> philox_;
};

}  // namespace sd
