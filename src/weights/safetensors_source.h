#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "weights/file_bytes.h"

namespace sd {

/// A .safetensors file's tensors and its `__metadata__`.
class SafetensorsSource : public TensorSource {
 public:
  virtual const std::vector<std::pair<std::string, std::string>>& metadata() const = 0;
};

/// The longest header that the format's own reader takes.
inline constexpr uint64_t kMaxSafetensorsHeader = uint64_t{64} << 20;

/// Tensors of a .safetensors file: 8 bytes of header length, a JSON header, then the bytes, which
/// the tensors must cover without gap or overlap (github.com/huggingface/safetensors, "Format").
/// Checked here once; nothing is copied. Throws CheckpointError.
std::unique_ptr<SafetensorsSource> open_safetensors(const FileBytes& file,
                                                    const std::string& label);

}  // namespace sd
