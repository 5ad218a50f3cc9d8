#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weights/ggml_types.h"

namespace sd {

/// Limits of one header. A Stable Diffusion v1 model has some 1,100 tensors, a language model some
/// 40 settings.
inline constexpr uint64_t kMaxGgufTensors = 200'000;
inline constexpr uint64_t kMaxGgufSettings = 10'000;
inline constexpr uint64_t kMaxGgufName = 1024;     // bytes
inline constexpr uint32_t kMaxGgufDimensions = 4;  // GGML_MAX_DIMS

struct GgufEntry {
  std::string name;
  const GgmlType* type = nullptr;
  std::vector<int64_t> shape;  // as torch counts: the slowest dimension first
  uint64_t begin = 0;          // from the file's start
};

struct GgufHeader {
  std::vector<GgufEntry> entries;
  /// Settings that are one number, truth value or text (its first 4096 bytes); of lists their
  /// length ("3 values").
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Parses the header of a GGUF file, versions 2 and 3, little endian (github.com/ggml-org/ggml,
/// docs/gguf.md). Shapes that ComfyUI-GGUF keeps beside tensors which it had to flatten
/// (`comfy.gguf.orig_shape.NAME`) are put back. Offsets are not compared with the file's size here.
/// Throws CheckpointError.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& label);

}  // namespace sd
