#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "support/gguf_writer.h"
#include "support/legacy_writer.h"
#include "support/quantise.h"
#include "support/safetensors_copy.h"
#include "weights/byte_reader.h"

namespace sd::test {

/// Every tensor of `source` (contiguous ones only) as a checkpoint in one of the pickled formats.
inline Checkpoint copy_as_checkpoint(const TensorSource& source) {
  Checkpoint checkpoint;
  for (const auto& name : source.names()) {
    const auto view = source.at(name);
    const auto elements = *checked_elements(view.shape);
    std::vector<int64_t> strides(view.shape.size(), 1);
    for (std::size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * view.shape[i];
    const char* type = view.dtype == DType::kF32   ? "FloatStorage"
                       : view.dtype == DType::kF16 ? "HalfStorage"
                                                   : "LongStorage";
    const auto key = std::to_string(checkpoint.storages.size());
    checkpoint.tensors.push_back({name, {type, key, elements, 0, view.shape, strides}});
    checkpoint.storages.emplace_back(key, as_text(view.bytes));
  }
  return checkpoint;
}

/// The values of an F16 or F32 tensor.
inline std::vector<float> values_of(const TensorView& view) {
  std::vector<float> values(view.bytes.size() / size_of(view.dtype));
  if (view.dtype == DType::kF32) {
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    _Float16 half = 0;
    std::memcpy(&half, &view.bytes[2 * i], sizeof half);
    values[i] = static_cast<float>(half);
  }
  return values;
}

/// Every F16 and F32 tensor of `source` as a GGUF file: weights whose rows are multiples of 32 in
/// the quantised type, 30 for BF16 or 0 for F32, the others as they are.
inline std::string copy_as_gguf(const TensorSource& source, uint32_t type) {
  GgufWriter writer;
  writer.text("general.architecture", "sd1").u32("general.quantization_version", 2);
  for (const auto& name : source.names()) {
    const auto view = source.at(name);
    if (view.dtype != DType::kF16 && view.dtype != DType::kF32) continue;
    GgufTensor tensor{name, {view.shape.begin(), view.shape.end()}, 0, ""};
    const bool blocks = view.shape.size() > 1 && view.shape.back() % 32 == 0;
    if (type == 0 || type == 30) {
      ByteWriter out;
      for (const float value : values_of(view)) {
        const auto bits = std::bit_cast<uint32_t>(value);
        type == 0 ? out.u32(bits) : out.u16((bits + 0x8000u) >> 16);
      }
      tensor.type = type;
      tensor.bytes = out.bytes();
    } else if (blocks && type != 1) {
      tensor.type = type;
      tensor.bytes = quantise(values_of(view), type);
    } else {
      tensor.type = view.dtype == DType::kF16 ? 1 : 0;
      tensor.bytes = as_text(view.bytes);
    }
    writer.tensor(std::move(tensor));
  }
  return writer.done();
}

}  // namespace sd::test
