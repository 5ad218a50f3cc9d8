#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/atomic_file.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// A tensor to be written; `view` must be C-contiguous.
struct NamedTensor {
  std::string name;
  TensorView view;
};

/// Text of `__metadata__`, in its order.
using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

/// Writes a .safetensors file (github.com/huggingface/safetensors, "Format") with the tensors in
/// the given order, whole or not at all. Throws IoError if it cannot be written, UsageError for a
/// name given twice or bytes that contradict the shape.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata = {}, bool overwrite = false);

/// What the header says of a tensor.
struct TensorHeader {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;

  /// Its bytes in the file.
  uint64_t bytes() const;
};

/// The same file written piece by piece, for tensors that need not be in memory together. Errors
/// are those of write_safetensors; nothing is left of a file that was not committed.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorHeader> tensors,
                    const SafetensorsMetadata& metadata, bool overwrite = false);

  /// The next bytes of the tensors, in the header's order and without gaps.
  void write(std::span<const std::byte> bytes);
  /// Brings everything to the disk: from here on the file can be read back at `temporary()`.
  void finish();
  void commit() { file_.commit(); }
  const std::filesystem::path& temporary() const { return file_.temporary(); }

 private:
  uint64_t left_ = 0;  // bytes of tensors to come
  AtomicFile file_;
};

/// Bytes of such a file.
uint64_t safetensors_size(std::span<const TensorHeader> tensors,
                          const SafetensorsMetadata& metadata);

}  // namespace sd
