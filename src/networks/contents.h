#pragma once

#include <memory>
#include <string>
#include <vector>

#include "networks/adapter_metadata.h"
#include "networks/merge.h"
#include "networks/module_keys.h"
#include "sd/networks/network.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// What was read of a network's file.
struct Network::Contents {
  NetworkInfo info;
  std::unique_ptr<TensorSource> tensors;
  SortedKeys keys;
  std::vector<NetworkKind> kinds;  // of each module
  std::vector<DefaultAlpha> alphas;

  MergeModule module(std::size_t i) const {
    return {ModuleReader(*tensors, keys.modules[i]), kinds[i], alphas[i]};
  }
};

}  // namespace sd
