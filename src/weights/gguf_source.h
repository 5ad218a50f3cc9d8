#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "weights/file_bytes.h"

namespace sd {

/// A GGUF file's tensors and its settings.
class GgufSource : public TensorSource {
 public:
  virtual const std::vector<std::pair<std::string, std::string>>& metadata() const = 0;
};

/// Tensors of a GGUF file under the names it has for them. Tensors of plain numbers are mapped.
/// Quantised tensors (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0) come out as F32: each call of `at` unpacks the
/// tensor anew, into memory that the view owns. A reader that takes one tensor at a time therefore
/// needs room for the largest one only. Tensors of any other type cannot be read; `stored` names
/// their type. Every offset is checked here: inside the file and no two overlapping. Throws
/// CheckpointError.
std::unique_ptr<GgufSource> open_gguf(const FileBytes& file, const std::string& label);

}  // namespace sd
