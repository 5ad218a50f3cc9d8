#include "sd/diffusion/brownian.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>

#include "sd/core/error.h"
#include "sd/core/philox.h"

namespace sd {
namespace {

constexpr double kEnd = 256;        // beyond every σ of a noise schedule in use (SD v1: 14.6)
constexpr double kWidth = 0x1p-20;  // below this a path is drawn as a straight line
constexpr std::size_t kKept = 4;    // values of σ in one step of any sampler, and one more

/// Mixes all bits of a number into all others (splitmix64, Steele et al., OOPSLA 2014).
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

torch::Tensor node_noise(uint64_t seed, uint64_t node, at::IntArrayRef shape) {
  auto values = CudaPhilox(mix(seed ^ mix(node))).randn(c10::multiply_integers(shape));
  return at::from_blob(values.data(), shape, torch::kFloat).clone();
}

/// W(σ) of one row: bisection of [0, 256], where the middle of an interval of width d lies around
/// the mean of its ends with variance d/4. Nodes are numbered as in a heap; 0 is the end of the
/// path.
torch::Tensor walk(uint64_t seed, double sigma, at::IntArrayRef shape) {
  double low = 0, high = kEnd;
  auto at_low = at::zeros(shape), at_high = std::sqrt(kEnd) * node_noise(seed, 0, shape);
  uint64_t node = 1;
  while (high - low > kWidth && sigma != low && sigma != high) {
    const double middle = (low + high) / 2;
    auto at_middle =
        (at_low + at_high) / 2 + std::sqrt((high - low) / 4) * node_noise(seed, node, shape);
    const bool upper = sigma >= middle;
    (upper ? low : high) = middle;
    (upper ? at_low : at_high) = std::move(at_middle);
    node = 2 * node + (upper ? 1 : 0);
  }
  return at_low + (at_high - at_low) * ((sigma - low) / (high - low));
}

}  // namespace

torch::Tensor BrownianNoise::path(const torch::Tensor& x, double sigma) {
  const auto found = known_.find(sigma);
  if (found != known_.end()) return found->second;
  if (!(sigma >= 0 && sigma < kEnd)) {
    throw UsageError(fmt::format("noise level {}; expected 0 to {}", sigma, kEnd));
  }
  std::vector<torch::Tensor> rows;
  for (const uint64_t seed : seeds_) rows.push_back(walk(seed, sigma, x.sizes().slice(1)));
  if (known_.size() >= kKept) known_.erase(std::prev(known_.end()));  // noise levels fall
  return known_[sigma] = at::stack(rows);
}

torch::Tensor BrownianNoise::operator()(const torch::Tensor& x, double sigma, double sigma_next) {
  if (x.size(0) != static_cast<int64_t>(seeds_.size())) {
    throw UsageError(fmt::format("{} rows of latents for {} seeds", x.size(0), seeds_.size()));
  }
  const auto from = path(x, sigma), to = path(x, sigma_next);
  return ((from - to) / std::sqrt(sigma - sigma_next)).to(x.device());
}

}  // namespace sd
