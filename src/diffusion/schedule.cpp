#include "sd/diffusion/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"

namespace sd {

NoiseSchedule NoiseSchedule::sqrt_linear(double linear_start, double linear_end,
                                         int64_t timesteps) {
  if (!(linear_start > 0 && linear_start <= linear_end && linear_end < 1) || timesteps < 1) {
    throw UsageError(
        fmt::format("noise schedule: betas from {} to {} over {} timesteps; expected "
                    "0 < linear_start <= linear_end < 1 and at least one timestep",
                    linear_start, linear_end, timesteps));
  }
  const double first = std::sqrt(linear_start), last = std::sqrt(linear_end);
  const double spacing = timesteps > 1 ? (last - first) / static_cast<double>(timesteps - 1) : 0.0;
  NoiseSchedule schedule;
  double product = 1.0;
  for (int64_t t = 0; t < timesteps; ++t) {
    const double root = first + spacing * static_cast<double>(t);
    product *= 1.0 - root * root;
    schedule.alphas_cumprod.push_back(static_cast<float>(product));
  }
  return schedule;
}

NoiseSchedule NoiseSchedule::with_zero_terminal_snr(double last) const {
  const double first_root = std::sqrt(alphas_cumprod.front());
  const double last_root = std::sqrt(alphas_cumprod.back());
  NoiseSchedule rescaled;
  for (const double alpha : alphas_cumprod) {
    const double root = (std::sqrt(alpha) - last_root) * first_root / (first_root - last_root);
    rescaled.alphas_cumprod.push_back(root * root);
  }
  rescaled.alphas_cumprod.back() = last;
  return rescaled;
}

StepSchedule uniform_steps(const NoiseSchedule& schedule, int64_t num_steps) {
  const int64_t total = schedule.timesteps();
  if (num_steps < 1 || num_steps > total) {
    throw UsageError(fmt::format("{} steps asked for; expected 1 to {}", num_steps, total));
  }
  const int64_t stride = total / num_steps;
  StepSchedule result;
  double alpha_prev = schedule.alphas_cumprod.front();
  for (int64_t t = 1; t <= total; t += stride) {
    const int64_t clamped = std::min(t, total - 1);
    const double alpha = schedule.alphas_cumprod[clamped];
    result.steps.push_back({clamped, alpha, alpha_prev});
    alpha_prev = alpha;
  }
  std::reverse(result.steps.begin(), result.steps.end());
  return result;
}

int64_t steps_at_strength(double strength, int64_t num_steps) {
  if (!(strength >= 0 && strength <= 1)) {
    throw UsageError(fmt::format("strength is {}; expected 0 to 1", strength));
  }
  return static_cast<int64_t>(strength * static_cast<double>(num_steps));
}

MidwayStart start_midway(const StepSchedule& schedule, int64_t count) {
  if (count < 1 || count > schedule.size()) {
    throw UsageError(fmt::format("a start {} steps before the end; this schedule has {}", count,
                                 schedule.size()));
  }
  const auto first = schedule.steps.end() - count;
  const auto above = first == schedule.steps.begin() ? first : first - 1;
  return {above->alpha, {{first, schedule.steps.end()}}};
}

double ddim_sigma(const DiffusionStep& step, double eta) {
  return eta *
         std::sqrt((1 - step.alpha_prev) / (1 - step.alpha) * (1 - step.alpha / step.alpha_prev));
}

}  // namespace sd
