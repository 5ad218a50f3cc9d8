#include "train/adamw.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace sd::train {

AdamW::AdamW(FlatParameters& parameters, const AdamWSettings& settings)
    : first_moment(at::zeros_like(parameters.values())),
      second_moment(at::zeros_like(parameters.values())),
      average(parameters.values().clone()),
      parameters_(parameters),
      settings_(settings) {}

double AdamW::step(double learning_rate) {
  const c10::AutoGradMode no_gradients(false);
  auto& gradients = parameters_.gradients();
  const double norm = gradients.norm().item<double>();
  if (!std::isfinite(norm)) {
    gradients.zero_();
    return norm;
  }
  // The fused kernel divides gradients by this.
  const auto divisor = at::full({}, std::max(1.0, norm / settings_.max_gradient_norm), at::kFloat);
  const auto count = at::full({}, static_cast<double>(++steps), at::kFloat);
  const int64_t total = parameters_.values().numel(), decayed = parameters_.decayed();
  const auto update = [&](int64_t begin, int64_t end, double weight_decay) {
    if (begin == end) return;
    const auto part = [&](const torch::Tensor& flat) {
      return std::vector<torch::Tensor>{flat.narrow(0, begin, end - begin)};
    };
    at::_fused_adamw_(part(parameters_.values()), part(gradients), part(first_moment),
                      part(second_moment), {}, {count}, learning_rate, settings_.beta1,
                      settings_.beta2, weight_decay, settings_.eps, /*amsgrad=*/false,
                      /*maximize=*/false, divisor);
  };
  update(0, decayed, settings_.weight_decay);
  update(decayed, total, 0.0);
  // Short runs would average in the random start: the decay grows as in the original's LitEma.
  const double decay = std::min(settings_.ema_decay, (1.0 + steps) / (10.0 + steps));
  average.lerp_(parameters_.values(), 1 - decay);
  gradients.zero_();
  return norm;
}

}  // namespace sd::train
