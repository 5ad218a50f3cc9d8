#pragma once

#include "pipeline/batch_rows.h"

namespace sd {

/// Binds a UNet to the contexts of one batch: a NoiseModel. Rows: [uncond; cond] with guidance,
/// else cond alone; within each the order of BatchRows.
class BatchNoiseModel {
 public:
  /// Encodes the prompts. `calls` counts the UNet calls and outlives this.
  BatchNoiseModel(const LoadedModel& model, const DrawRequest& request, int64_t num_steps,
                  int64_t* calls);

  torch::Tensor operator()(const torch::Tensor& x, double t, int64_t step);

 private:
  const LoadedModel& model_;
  torch::Tensor context_;  // [R,77,D]
  ForwardContext run_;
  int64_t* calls_;
};

}  // namespace sd
