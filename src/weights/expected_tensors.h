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

/// How a source differs from that.
struct Completeness {
  std::vector<std::string> missing;
  std::vector<std::string> mismatched;  // "'name' has shape [1], expected [2]"
  std::vector<std::string> unexpected;  // not known leftovers either
};
Completeness compare_with_expected(const TensorSource& tensors, const ModelConfig& config);

}  // namespace sd
