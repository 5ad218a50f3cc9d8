#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// Elements of one block of the quantised types that are read.
inline constexpr int64_t kGgmlBlock = 32;

/// One of ggml's tensor types.
struct GgmlType {
  uint32_t id = 0;
  std::string_view name;        // "Q4_0"
  std::optional<DType> plain;   // elements as they are; none for what comes in blocks
  std::size_t block_bytes = 0;  // of kGgmlBlock elements; 0: not read here
};

/// Null for numbers that ggml has not given out when this was written.
const GgmlType* find_ggml_type(uint32_t id);

/// The values of Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0 blocks: values.size() is a multiple of kGgmlBlock,
/// `blocks` holds block_bytes for each kGgmlBlock of them (ggml-quants.c, dequantize_row_*).
void dequantise(const GgmlType& type, std::span<const std::byte> blocks, std::span<float> values);

}  // namespace sd
