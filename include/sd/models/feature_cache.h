#pragma once

#include <torch/types.h>

#include <cstdint>

#include "sd/nn/attention_controller.h"

namespace sd {

/// What the deep layers of a UNet made in one step, to be used again in the next ones (DeepCache,
/// arXiv:2312.00858, uniform, branch 0): all but the first convolution, the last residual block
/// with its transformer and the output are deep. It belongs to one run of one batch.
class FeatureCache {
 public:
  /// The deep layers are computed in step 0 and every `interval` steps from there, in all UNet
  /// calls of such a step. Throws UsageError unless interval >= 1.
  explicit FeatureCache(int64_t interval);

  /// The features for a call of this step with so many rows, [rows,C,h,w]; undefined where they are
  /// to be computed: in steps that are due, where nothing is kept, and where it is kept of fewer
  /// rows. Of more rows it is the last ones.
  torch::Tensor find(const StepInfo& step, int64_t rows) const;
  void keep(torch::Tensor features) { kept_ = std::move(features); }
  /// Nothing that was kept holds any more: the rows look at another prompt.
  void forget() { kept_ = torch::Tensor(); }

 private:
  int64_t interval_;
  torch::Tensor kept_;
};

}  // namespace sd
