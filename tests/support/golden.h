#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <string>

#include "sd/weights/open.h"

namespace sd::test {

/// A file below tests/data.
inline std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(SD_TEST_DATA) / name;
}

/// Reference tensors of one .safetensors file.
class Golden {
 public:
  explicit Golden(const std::string& name);
  torch::Tensor operator[](const std::string& name) const;

 private:
  std::unique_ptr<TensorSource> tensors_;
};

/// max |a − b| / max |b|: the measure of the reference values ("within 1e-4 of the largest value").
double relative_difference(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace sd::test
