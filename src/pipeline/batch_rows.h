#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "sd/diffusion/denoiser.h"
#include "sd/pipeline/draw.h"

namespace sd {

/// Which sample of which branch each row of a batch is: N rows a target, then the source's N.
struct BatchRows {
  int64_t targets = 1;
  int64_t samples = 1;
  bool source = false;

  /// Throws UsageError for no prompts, or branches of unequal size.
  static BatchRows of(const DrawRequest& request);

  int64_t target_rows() const { return targets * samples; }
  int64_t total() const { return target_rows() + (source ? samples : 0); }
  /// Something of every sample [N,...] for every row.
  torch::Tensor spread(const torch::Tensor& one_a_sample) const;
  /// The groups of total() rows of one pass that start at `begin`; of the conditional passes, the
  /// one for a part of the prompts.
  std::vector<RowGroup> groups(GuidancePass pass, int64_t begin = 0, int64_t part = 0) const;
  /// The prompts of all rows.
  static std::vector<std::string> prompts(const DrawRequest& request);
};

}  // namespace sd
