#pragma once

#include <string>
#include <vector>

#include "weights/pickle_value.h"

namespace sd {

/// A dictionary of tensors and what its keys are to begin with ("", or "unet." and the like where
/// a model's parts have dictionaries of their own).
struct NestedTensors {
  std::string prefix;
  const pickle::Dict* dict = nullptr;
};

/// Where a checkpoint's pickle keeps its model: below "state_dict" or a key that other trainers
/// use, below any other key if the tensors there have a model's names (averaged weights only if
/// there are no others), else `top` itself.
std::vector<NestedTensors> find_tensors(const pickle::Document& document, const pickle::Dict& top);

/// The value of a key, null where there is none.
const pickle::Value* child(const pickle::Document& document, const pickle::Dict& dict,
                           std::string_view key);

}  // namespace sd
