#include "trainer/optimizer.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "trainer/muon.h"
#include "trainer/training_dtype.h"

namespace sd::train {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Rows of an embedding are looked up one by one, and the first and last layer have few channels on
/// one side: what makes Muon good does not hold for these.
bool is_hidden_matrix(const FlatParameters::Entry& entry) {
  return entry.shape.size() >= 2 && !contains(entry.name, "embedding.") &&
         !contains(entry.name, "input_blocks.0.0.") &&
         !contains(entry.name, "diffusion_model.out.2.");
}

}  // namespace

Optimizer::Optimizer(FlatParameters& parameters, const OptimizerSettings& settings)
    : first_moment(at::zeros_like(parameters.values())),
      second_moment(at::zeros_like(parameters.values())),
      average(parameters.values().clone()),
      parameters_(parameters),
      settings_(settings) {
  for (const auto& entry : parameters.entries()) {
    if (settings.muon_rate > 0 && is_hidden_matrix(entry)) {
      matrices_.push_back(entry);
      continue;
    }
    const double weight_decay = entry.begin < parameters.decayed() ? settings.weight_decay : 0.0;
    const bool joins = !ranges_.empty() && ranges_.back().weight_decay == weight_decay &&
                       (matrices_.empty() || matrices_.back().begin < ranges_.back().begin);
    if (joins) {
      ranges_.back().end = entry.begin + entry.count;
    } else {
      ranges_.push_back({entry.begin, entry.begin + entry.count, weight_decay});
    }
  }
}

double Optimizer::step(double learning_rate) {
  const c10::AutoGradMode no_gradients(false);
  auto& gradients = parameters_.gradients();
  const double norm = gradients.norm().item<double>();
  if (!std::isfinite(norm)) {
    gradients.zero_();
    return norm;
  }
  ++steps;
  // The fused kernel divides gradients by this. Muon's direction does not depend on their length.
  const auto divisor =
      at::full({}, std::max(1.0, norm / settings_.max_gradient_norm), gradients.options());
  for (const auto& range : ranges_) adamw(range, learning_rate, divisor);
  if (!matrices_.empty()) gradients.div_(divisor);  // for its momentum over several steps
  for (const auto& entry : matrices_) muon(entry, settings_.muon_rate * learning_rate);
  // Short runs would average in the random start: the decay grows as in the original's LitEma.
  const auto count = static_cast<double>(steps);
  const double decay = std::min(settings_.ema_decay, (1.0 + count) / (10.0 + count));
  average.lerp_(parameters_.values(), 1 - decay);
  gradients.zero_();
  return norm;
}

void Optimizer::adamw(const Range& range, double learning_rate, const torch::Tensor& divisor) {
  const auto part = [&](const torch::Tensor& flat) {
    return std::vector<torch::Tensor>{flat.narrow(0, range.begin, range.end - range.begin)};
  };
  const auto count = at::full({}, static_cast<double>(steps), first_moment.options());
  at::_fused_adamw_(part(parameters_.values()), part(parameters_.gradients()), part(first_moment),
                    part(second_moment), {}, {count}, learning_rate, settings_.beta1,
                    settings_.beta2, range.weight_decay, settings_.eps, /*amsgrad=*/false,
                    /*maximize=*/false, divisor);
}

void Optimizer::muon(const FlatParameters::Entry& entry, double learning_rate) {
  const auto matrix = [&](const torch::Tensor& flat) {
    return FlatParameters::view(flat, entry).flatten(1);
  };
  auto values = matrix(parameters_.values()), momentum = matrix(first_moment);
  const auto gradient = matrix(parameters_.gradients());
  momentum.lerp_(gradient, 1 - settings_.momentum);
  const auto ahead = gradient.lerp(momentum, settings_.momentum);  // Nesterov's
  const auto direction = orthogonalized(ahead.to(training_dtype(values.device())));
  values.mul_(1 - learning_rate * settings_.weight_decay);
  values.add_(direction, -learning_rate * muon_scale(values.size(0), values.size(1)));
}

}  // namespace sd::train
