#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/pickle_value.h"

namespace sd {

/// A dictionary of tensors and what its keys are to begin with ("", or "unet." and the like where
/// a model's parts have dictionaries of their own).
struct NestedTensors {
  std::string prefix;
  const pickle::Dict* dict = nullptr;
};

/// The dictionaries in which a checkpoint's pickle keeps its model. First choice is "state_dict",
/// or a key that other trainers use for it. Second choice is any key below which tensors have a
/// model's names; averaged weights count only if there are no others. Otherwise it is `top` itself.
std::vector<NestedTensors> find_tensors(const pickle::Document& document, const pickle::Dict& top);

/// Another choice of dictionaries, for files that hold no model.
using FindTensors =
    std::function<std::vector<NestedTensors>(const pickle::Document&, const pickle::Dict&)>;

/// The value of a key, null where there is none.
const pickle::Value* child(const pickle::Document& document, const pickle::Dict& dict,
                           std::string_view key);

}  // namespace sd
