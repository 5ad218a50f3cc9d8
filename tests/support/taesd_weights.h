#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sd/core/parameter_slot.h"
#include "sd/weights/write_safetensors.h"

namespace sd::test {

/// `count` numbers in [-1, 1): those of tests/tools/make_taesd_goldens.py.
inline std::vector<double> uniform(int64_t tensor, int64_t count) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    auto x = static_cast<uint64_t>(i + tensor * 1'000'003 + 1);
    for (int round = 0; round < 2; ++round) x = (x ^ (x >> 16)) * 0x45D9F3B & 0xFFFFFFFF;
    x ^= x >> 16;
    values.push_back(static_cast<double>(x) / 2147483648.0 - 1);
  }
  return values;
}

/// The weights that script gives AutoencoderTiny, by name.
class TaesdWeights {
 public:
  explicit TaesdWeights(const std::vector<ParameterSlot>& slots) {
    std::map<std::string, std::vector<int64_t>> shapes;
    for (const auto& slot : slots) shapes[slot.name] = slot.shape;
    int64_t number = 0;
    for (const auto& [name, shape] : shapes) {
      int64_t count = 1, fan_in = shape.size() > 1 ? 1 : 100;
      for (std::size_t i = 0; i < shape.size(); ++i) {
        count *= shape[i];
        if (i > 0) fan_in *= shape[i];
      }
      const double scale = 1.5 / std::sqrt(static_cast<double>(fan_in));
      auto& values = values_[name];
      for (const double value : uniform(number++, count))
        values.push_back(static_cast<float>(value * scale));
      shapes_[name] = shape;
    }
  }

  /// A .safetensors file of those whose new name is not empty.
  template <typename Rename>
  void write(const std::filesystem::path& path, const Rename& rename) const {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, values] : values_) {
      const std::string renamed = rename(name);
      if (renamed.empty()) continue;
      TensorView view;
      view.dtype = DType::kF32;
      view.shape = shapes_.at(name);
      view.bytes = std::as_bytes(std::span(values));
      tensors.push_back({renamed, view});
    }
    write_safetensors(path, tensors);
  }

 private:
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

/// "decoder.layers.3.conv.0.weight" as the original's own file of that half has it, where the
/// decoder counts its clamp; "" for the other half.
inline std::string original_taesd_name(const std::string& name, const std::string& half) {
  const std::string start = half + ".layers.";
  if (!name.starts_with(start)) return "";
  const auto dot = name.find('.', start.size());
  const int number = std::stoi(name.substr(start.size(), dot - start.size()));
  return std::to_string(half == "decoder" ? number + 1 : number) + name.substr(dot);
}

}  // namespace sd::test
