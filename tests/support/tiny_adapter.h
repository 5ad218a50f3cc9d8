#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/safetensors_writer.h"

namespace sd::test {

/// A .safetensors file of a light T2I-Adapter for the tiny model of tests/data, of one block a
/// level and shown grey pictures; its numbers are small and differ.
inline std::string tiny_adapter_file() {
  std::vector<std::pair<std::string, std::vector<int64_t>>> shapes;
  const auto convolution = [&](const std::string& name, int64_t in, int64_t out, int64_t kernel) {
    shapes.push_back({name + ".weight", {out, in, kernel, kernel}});
    shapes.push_back({name + ".bias", {out}});
  };
  const std::vector<int64_t> widths = {64, 32, 32, 64};  // 64: blocks of 8x8 pixels
  for (std::size_t level = 0; level < 3; ++level) {
    const auto name = "body." + std::to_string(level) + ".";
    convolution(name + "in_conv", widths[level], 8, 1);
    convolution(name + "body.0.block1", 8, 8, 3);
    convolution(name + "body.0.block2", 8, 8, 3);
    convolution(name + "out_conv", 8, widths[level + 1], 1);
  }
  nlohmann::ordered_json header;
  std::string bytes;
  for (const auto& [name, shape] : shapes) {
    const auto begin = bytes.size();
    int64_t count = 1;
    for (const auto side : shape) count *= side;
    for (int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<float>((i * 7919 + 13) % 401 - 200) / 800.0F;
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, bytes.size()}}};
  }
  return write_safetensors(header.dump(), bytes);
}

}  // namespace sd::test
