#pragma once

#include <ATen/core/Generator.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "sd/core/compute.h"
#include "sd/core/philox.h"

namespace sd {

/// Where samplers take their random numbers from.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  /// Float32 standard normal tensor of `shape`; successive calls continue the stream.
  virtual torch::Tensor randn(at::IntArrayRef shape) = 0;
  /// As `randn` with the shape of `x`.
  torch::Tensor like(const torch::Tensor& x) { return randn(x.sizes()); }
};

/// Numbers from one seed, explicit instead of torch's global generator; they lie on `device`.
class SeededNoise final : public NoiseSource {
 public:
  /// kDevice draws with `device`'s own generator, kCpu with the CPU's, kCuda the numbers of a CUDA
  /// device anywhere.
  SeededNoise(uint64_t seed, RngChoice kind, torch::Device device);
  torch::Tensor randn(at::IntArrayRef shape) override;

 private:
  torch::Device device_;
  torch::Device draw_device_;
  std::optional<at::Generator> generator_;
  std::optional<CudaPhilox> philox_;
};

}  // namespace sd
