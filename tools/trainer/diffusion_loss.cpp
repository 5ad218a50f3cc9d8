#include "trainer/diffusion_loss.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/rand.h>

#include <algorithm>

namespace sd::train {
namespace {

constexpr double kMaxSnr = 5;  // gamma of min-SNR

}  // namespace

std::vector<double> loss_weights(const std::vector<double>& alphas_cumprod, double most) {
  std::vector<double> weights;
  for (const double alpha : alphas_cumprod) {
    const double snr = alpha / (1 - alpha);
    weights.push_back(std::min(most, std::min(snr + 1, kMaxSnr) / snr));
  }
  return weights;
}

torch::Tensor stratified_timesteps(int64_t count, int64_t total, double power,
                                   at::Generator& generator) {
  const auto strata = at::arange(count, at::kDouble);
  const auto u = (strata + at::rand({count}, generator, at::kDouble)) / static_cast<double>(count);
  return (static_cast<double>(total) * u.pow(power)).to(at::kLong).clamp(0, total - 1);
}

}  // namespace sd::train
