#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/open.h"
#include "sd/weights/write_safetensors.h"
#include "weights/tensor_pieces.h"

namespace sd::test {

/// A tensor of float32 to be written.
struct FloatTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

inline int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const auto side : shape) count *= side;
  return count;
}

/// The same with values that differ from each other, near 0.1.
inline FloatTensor tensor(std::string name, std::vector<int64_t> shape) {
  constexpr int kPeriod = 17;
  std::vector<float> values(static_cast<std::size_t>(count_of(shape)));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 0.1F + 0.01F * static_cast<float>((i * 7 + shape.size()) % kPeriod);
  return {std::move(name), std::move(shape), std::move(values)};
}

inline FloatTensor number(std::string name, float value) { return {std::move(name), {}, {value}}; }

inline std::filesystem::path write_network(const std::filesystem::path& path,
                                           const std::vector<FloatTensor>& tensors,
                                           const SafetensorsMetadata& metadata = {}) {
  std::vector<NamedTensor> named;
  for (const auto& each : tensors) {
    TensorView view;
    view.dtype = DType::kF32;
    view.shape = each.shape;
    view.bytes = std::as_bytes(std::span(each.values));
    named.push_back({each.name, view});
  }
  write_safetensors(path, named, metadata, /*overwrite=*/true);
  return path;
}

/// A model with what its tensors tell of its sizes.
struct SmallModel {
  std::unique_ptr<TensorSource> tensors;
  ModelConfig config;
};

inline SmallModel open_small(const std::filesystem::path& path) {
  auto opened = open_model(path);
  auto config = detect_config(*opened.tensors,
                              opened.config ? *opened.config : family_config(*opened.tensors, {}));
  return {std::move(opened.tensors), std::move(config)};
}

/// A tensor's elements in C order.
inline std::vector<float> floats_at(const TensorSource& source, const std::string& name) {
  TensorPieces pieces(source.at(name), DType::kF32);
  std::vector<float> values;
  for (auto bytes = pieces.next(); !bytes.empty(); bytes = pieces.next()) {
    const auto before = values.size();
    values.resize(before + bytes.size() / sizeof(float));
    std::memcpy(values.data() + before, bytes.data(), bytes.size());
  }
  return values;
}

}  // namespace sd::test
