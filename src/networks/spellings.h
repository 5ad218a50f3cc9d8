#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sd/core/model_config.h"

namespace sd {

/// A layer of a model by its CompVis name, without ".weight".
struct ModelLayer {
  std::string name;
  /// Other layers that follow below it in one fused weight (OpenCLIP's queries, keys, values),
  /// whose first part `name` is.
  std::vector<std::string> siblings;
};

/// Every name by which files know a model's layers, made from the model's own names. Dots and
/// underscores count as the same, since kohya's files have the one for the other; nothing is taken
/// apart.
class Spellings {
 public:
  /// `names`: of the model's tensors, CompVis'.
  Spellings(const std::vector<std::string>& names, const ModelConfig& config);

  /// The layer that a module's name stands for; null where the model has none.
  const ModelLayer* find(std::string_view module) const;

 private:
  using Table = std::unordered_map<std::string, ModelLayer>;
  void add_layer(const std::string& layer, std::string_view parameter, const class DiffusersKeys&);
  void add_text(const std::string& spelling, const ModelLayer& layer);
  void add_fused(const std::string& layer);

  Table unet_, text_;  // by spelling, with underscores for dots
};

}  // namespace sd
