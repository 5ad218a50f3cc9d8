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

/// Tensors of a GGUF file under the names it has for them. What is stored as plain numbers is
/// mapped; quantised tensors (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0) are F32 and made anew by each call of
/// `at`, in memory that goes when the view's owner goes, so a reader that takes one at a time needs
/// no more than the largest. Of other types only `stored` tells. Every offset is checked here:
/// inside the file and no two overlapping. Throws CheckpointError.
std::unique_ptr<GgufSource> open_gguf(const FileBytes& file, const std::string& label);

}  // namespace sd
