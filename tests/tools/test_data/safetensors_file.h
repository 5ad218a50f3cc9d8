#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sd::test {

/// A .safetensors file byte for byte as its Python package writes tensors of one dtype: by name,
/// the header padded to 8 bytes.
class SafetensorsFile {
 public:
  struct Tensor {
    std::string dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  void add(const std::string& name, Tensor tensor) { tensors_[name] = std::move(tensor); }
  /// With `format`, the metadata that transformers and diffusers ask for.
  std::string bytes(bool format = false) const;

 private:
  std::map<std::string, Tensor> tensors_;
};

}  // namespace sd::test
