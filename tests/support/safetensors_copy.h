#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "sd/weights/tensor_source.h"
#include "support/safetensors_writer.h"

namespace sd::test {

/// Every tensor of `source` as a .safetensors file, the way users convert checkpoints. `change` may
/// alter a tensor first.
inline std::string copy_as_safetensors(
    const TensorSource& source,
    const std::function<void(const std::string&, TensorView&)>& change = nullptr) {
  nlohmann::ordered_json header;
  std::string tensors;
  for (const auto& name : source.names()) {
    auto view = source.at(name);
    if (change) change(name, view);
    const auto begin = tensors.size();
    tensors.append(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
    header[name] = {{"dtype", name_of(view.dtype)},
                    {"shape", view.shape},
                    {"data_offsets", {begin, tensors.size()}}};
  }
  return write_safetensors(header.dump(), tensors);
}

}  // namespace sd::test
