#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <vector>

namespace sd {

/// Brownian paths over the noise level σ, one for each row of latents: what SDE samplers draw their
/// noise from. A path is a function of its seed and of σ alone (a virtual Brownian tree,
/// arXiv:2001.01328, algorithm 3), so that the same seed gives the same picture in the limit,
/// however many steps are made of the way, and a row's noise is the same in any batch.
class BrownianNoise {
 public:
  /// One seed a row.
  explicit BrownianNoise(std::vector<uint64_t> seeds) : seeds_(std::move(seeds)) {}

  /// (W(σ) − W(σ_next)) / sqrt(σ − σ_next): standard normal, float32, with the shape and device of
  /// x [rows,...]. Throws UsageError for another number of rows than seeds, or σ outside [0, 256).
  torch::Tensor operator()(const torch::Tensor& x, double sigma, double sigma_next);

 private:
  torch::Tensor path(const torch::Tensor& x, double sigma);

  std::vector<uint64_t> seeds_;
  std::map<double, torch::Tensor> known_;  // of the newest noise levels; one step's end is the
                                           // next's beginning
};

}  // namespace sd
