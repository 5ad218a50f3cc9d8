#include "sd/nn/timestep_embedding.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace sd {

torch::Tensor timestep_embedding(const torch::Tensor& t, int64_t width) {
  const int64_t half = width / 2;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(t.device());
  const auto frequencies =
      (at::arange(half, options) * (-std::log(10000.0) / static_cast<double>(half))).exp();
  const auto angles = t.to(at::kFloat).unsqueeze(1) * frequencies.unsqueeze(0);  // [N,half]
  auto embedding = at::cat({angles.cos(), angles.sin()}, 1);
  if (width % 2 == 1) embedding = at::cat({embedding, at::zeros({t.size(0), 1}, options)}, 1);
  return embedding;
}

}  // namespace sd
