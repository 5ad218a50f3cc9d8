#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <string>

#include "sd/core/compute.h"
#include "sd/weights/open.h"

namespace sd::test {

/// A file below tests/data, or below SD_TEST_DATA_DIR where the tests run on another machine than
/// the one that built them.
std::filesystem::path data(const std::string& name);

/// Where the tests' models are loaded and their tensors lie: the device that SD_TEST_DEVICE names
/// as
/// --device does ("cuda", "cuda:1"), the CPU without it.
DeviceChoice device_choice();
torch::Device device();

/// Reference tensors of one .safetensors file, on device().
class Golden {
 public:
  explicit Golden(const std::string& name);
  torch::Tensor operator[](const std::string& name) const;

 private:
  std::unique_ptr<TensorSource> tensors_;
};

/// max |a − b| / max |b|: the measure of the reference values ("within 1e-4 of the largest value").
/// The two may lie on different devices.
double relative_difference(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace sd::test
