#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"

namespace sd {

struct ExpectedTensor {
  std::string name;  // CompVis
  std::vector<int64_t> shape;
};

/// Every tensor that a model of these sizes is drawn with, without building its modules (which
/// would need LibTorch; a test holds the two lists together).
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);
std::vector<ExpectedTensor> expected_vae(const VaeConfig& vae);
std::vector<ExpectedTensor> expected_text(const TextConfig& text);

/// Throws CheckpointError naming the first few tensors that are missing or have another shape.
void require_complete(const TensorSource& tensors, const std::vector<ExpectedTensor>& expected);

/// How a source differs from that.
struct Completeness {
  std::vector<std::string> missing;
  std::vector<std::string> mismatched;  // "'name' has shape [1], expected [2]"
  std::vector<std::string> unexpected;  // not known leftovers either
};
Completeness compare_with_expected(const TensorSource& tensors,
                                   const std::vector<ExpectedTensor>& wanted);

/// "a, b, c, d, e and 3 more", for messages.
std::string first_few(const std::vector<std::string>& names);

}  // namespace sd
