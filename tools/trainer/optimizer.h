#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "trainer/flat_parameters.h"

namespace sd::train {

struct OptimizerSettings {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.01;
  double max_gradient_norm = 1.0;
  double ema_decay = 0.999;  // of the averaged weights that are exported
  double muon_rate = 0;      // Muon's learning rate as a multiple of AdamW's; 0: AdamW for all
  double momentum = 0.95;    // of Muon
};

/// AdamW (arXiv:1711.05101, algorithm 2) over flat parameters, with the exponential moving average
/// of the weights. If asked for, hidden layers' matrices and kernels are updated by Muon instead:
/// kernels [out,in,h,w] as matrices [out,in·h·w], with Nesterov's momentum; embeddings, the UNet's
/// first and last layers, biases and norms stay with AdamW.
class Optimizer {
 public:
  Optimizer(FlatParameters& parameters, const OptimizerSettings& settings);

  /// One update with the gradients that lie in the parameters, which are zeroed afterwards. Returns
  /// the norm of the gradients before they were clipped; where that is not finite, nothing is
  /// changed.
  double step(double learning_rate);

  /// What a saved state holds besides the parameters. Muon uses the first moment as its momentum.
  torch::Tensor first_moment, second_moment, average;  // [parameters] float32
  int64_t steps = 0;

 private:
  /// Neighbours that AdamW updates with one weight decay.
  struct Range {
    int64_t begin, end;
    double weight_decay;
  };

  void adamw(const Range& range, double learning_rate, const torch::Tensor& divisor);
  void muon(const FlatParameters::Entry& entry, double learning_rate);

  FlatParameters& parameters_;
  OptimizerSettings settings_;
  std::vector<Range> ranges_;
  std::vector<FlatParameters::Entry> matrices_;  // Muon's
};

}  // namespace sd::train
