#pragma once

#include <torch/types.h>

#include <vector>

namespace sd {

/// What ControlNets and T2I-Adapters add inside a UNet.
struct ControlResiduals {
  /// Of ControlNets: to what each input block hands to its output block, from the first to the
  /// last, [.,C,h,w] or [.,C,1,1]. One row for every row of the batch, or for each of those that
  /// differ (ForwardContext::same_as). Empty: nothing.
  std::vector<torch::Tensor> skips;
  torch::Tensor middle;  // to the middle block's output, likewise; undefined: nothing
  /// Of T2I-Adapters: to the output of the last input block of each level, before anything else
  /// sees it, [1,C,h,w] or of every row. Empty: nothing.
  std::vector<torch::Tensor> levels;

  bool empty() const { return skips.empty() && levels.empty(); }
};

}  // namespace sd
