#include "sd/pipeline/run_noise.h"

#include <ATen/ops/acos.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/where.h>

namespace sd {

NoiseSource& RunNoise::of_batch(int64_t first) {
  const int64_t stream = stream_of(rule_.mode, first);
  if (current_ != stream) {
    current_ = stream;
    noise_.emplace(make(stream_seed(rule_.seed, stream)));
    if (rule_.variation) other_.emplace(make(stream_seed(rule_.variation->seed, stream)));
  }
  return *noise_;
}

std::optional<torch::Tensor> RunNoise::start(int64_t first, at::IntArrayRef shape) {
  if (!rule_.variation) return std::nullopt;
  auto& noise = of_batch(first);
  const auto own = noise.randn(shape), other = other_->randn(shape);
  return slerp(own, other, rule_.variation->strength);
}

torch::Tensor slerp(const torch::Tensor& a, const torch::Tensor& b, double part) {
  const auto flat_a = a.flatten(1).to(torch::kDouble), flat_b = b.flatten(1).to(torch::kDouble);
  const auto cosine =
      (flat_a * flat_b).sum(1, true) / (flat_a.norm(2, {1}, true) * flat_b.norm(2, {1}, true));
  const auto angle = at::acos(cosine.clamp(-1, 1));  // [N,1]
  const auto sine = at::sin(angle);
  // Noises that point the same way have nothing to turn through.
  constexpr double kParallel = 1e-6;
  const auto weight = [&](double share) {
    return at::where(sine > kParallel, at::sin(share * angle) / sine, share);
  };
  return (weight(1 - part) * flat_a + weight(part) * flat_b).to(a.scalar_type()).view(a.sizes());
}

}  // namespace sd
