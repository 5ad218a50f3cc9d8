#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "support/safetensors_writer.h"

namespace sd::test {

/// A .safetensors file of one tensor [vectors,width] of fixed numbers, an embedding.
inline std::string embedding_bytes(const std::string& tensor, int64_t vectors, int64_t width,
                                   int64_t seed = 13) {
  std::string bytes;
  for (int64_t i = 0; i < vectors * width; ++i) {
    const auto value = static_cast<float>((i * 7919 + seed) % 1021 - 510) / 1024.0F;
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.append(raw, sizeof raw);
  }
  return write_safetensors("{\"" + tensor + R"(":{"dtype":"F32","shape":[)" +
                               std::to_string(vectors) + "," + std::to_string(width) +
                               R"(],"data_offsets":[0,)" + std::to_string(bytes.size()) + "]}}",
                           bytes);
}

}  // namespace sd::test
