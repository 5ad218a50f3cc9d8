#pragma once

#include <torch/types.h>

#include <cstdint>

#include "train/flat_parameters.h"

namespace sd::train {

struct AdamWSettings {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.01;
  double max_gradient_norm = 1.0;
  double ema_decay = 0.999;  // of the averaged weights that are exported
};

/// AdamW (arXiv:1711.05101, algorithm 2) over flat parameters, with the exponential moving average
/// of the weights.
class AdamW {
 public:
  AdamW(FlatParameters& parameters, const AdamWSettings& settings);

  /// One update with the gradients that lie in the parameters, which are zeroed afterwards. Returns
  /// the norm of the gradients before they were clipped; where that is not finite, nothing is
  /// changed.
  double step(double learning_rate);

  /// What a saved state holds besides the parameters.
  torch::Tensor first_moment, second_moment, average;  // [parameters] float32
  int64_t steps = 0;

 private:
  FlatParameters& parameters_;
  AdamWSettings settings_;
};

}  // namespace sd::train
