#include "pipeline/sampling_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sd/core/error.h"
#include "sd/diffusion/spacing.h"

namespace sd {
namespace {

/// What is asked for, or what a schedule that ends in pure noise needs where nothing is.
std::optional<TimestepSpacing> spacing_of(const NoiseSchedule& schedule,
                                          const DrawSettings& settings) {
  if (settings.timesteps && settings.scheduler) {
    throw UsageError(
        fmt::format("timesteps {} and scheduler {} contradict each other; leave one of the two out",
                    name_of(*settings.timesteps), name_of(*settings.scheduler)));
  }
  const bool own = info_of(settings.sampler).scheduler == SchedulerKind::kLcm;
  if (settings.timesteps || settings.scheduler || own || !schedule.has_zero_terminal_snr()) {
    return settings.timesteps;
  }
  return TimestepSpacing::kTrailing;
}

std::vector<double> all_sigmas(const SigmaTable& table, const DrawSettings& settings,
                               std::optional<TimestepSpacing> spacing) {
  const auto& info = info_of(settings.sampler);
  if (spacing) {
    std::vector<double> sigmas;
    for (const double t :
         spaced_timesteps(*spacing, settings.sampler, table.timesteps(), settings.steps)) {
      sigmas.push_back(table.sigma(t));
    }
    sigmas.push_back(0);
    return sigmas;
  }
  const auto kind = settings.scheduler.value_or(info.scheduler);
  return info.drops_penultimate ? sigma_steps_without_penultimate(kind, table, settings.steps)
                                : sigma_steps(kind, table, settings.steps);
}

}  // namespace

SamplingPlan SamplingPlan::make(const NoiseSchedule& schedule, const DrawSettings& settings,
                                std::optional<double> strength) {
  const bool by_sigma = sigma_sampler(settings.sampler) != nullptr;
  const auto name = info_of(settings.sampler).name;
  if (by_sigma && settings.eta != 0) {
    throw UsageError(fmt::format("eta is DDIM's; {} has none", name));
  }
  if (!by_sigma && settings.scheduler) {
    throw UsageError(fmt::format("{} has timesteps of its own and takes no scheduler", name));
  }
  SamplingPlan plan;
  plan.kind_ = settings.sampler;
  plan.eta_ = settings.eta;
  plan.tcd_gamma_ = settings.tcd_gamma;
  const auto spacing = spacing_of(schedule, settings);
  std::optional<int64_t> left;
  if (strength) left = steps_at_strength(*strength, settings.steps);
  if (by_sigma) {
    const bool unit = spacing ? begins_at_unit_variance(*spacing, settings.sampler)
                              : settings.sampler == SamplerKind::kTcd;
    SigmaSteps steps{SigmaTable(schedule), {}, unit};
    auto sigmas = all_sigmas(steps.table, settings, spacing);
    const auto skipped = settings.steps - left.value_or(settings.steps);
    sigmas.erase(sigmas.begin(), sigmas.begin() + skipped);
    if (sigmas.size() > 1) steps.sigmas = std::move(sigmas);
    plan.steps_ = std::move(steps);
    return plan;
  }
  const auto full = spacing ? spaced_steps(schedule, *spacing, settings.steps)
                            : uniform_steps(schedule, settings.steps);
  AlphaSteps steps;
  const int64_t count = left.value_or(full.size());
  if (count > 0) {
    auto [alpha, rest] = start_midway(full, count);
    steps = {std::move(rest), alpha};
  }
  plan.steps_ = std::move(steps);
  return plan;
}

int64_t SamplingPlan::size() const {
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) return alphas->schedule.size();
  const auto& sigmas = std::get<SigmaSteps>(steps_).sigmas;
  return std::max<int64_t>(static_cast<int64_t>(sigmas.size()) - 1, 0);
}

double SamplingPlan::timestep(int64_t step) const {
  const auto at = static_cast<std::size_t>(step);
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) {
    return static_cast<double>(alphas->schedule.steps.at(at).t);
  }
  const auto& steps = std::get<SigmaSteps>(steps_);
  return steps.table.timestep(steps.sigmas.at(at));
}

std::vector<double> SamplingPlan::timesteps() const {
  std::vector<double> all;
  for (int64_t step = 0; step < size(); ++step) all.push_back(timestep(step));
  return all;
}

std::vector<double> SamplingPlan::alphas() const {
  std::vector<double> all;
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) {
    for (const auto& step : alphas->schedule.steps) all.push_back(step.alpha);
    if (!all.empty()) all.push_back(alphas->schedule.steps.back().alpha_prev);
    return all;
  }
  for (const double sigma : std::get<SigmaSteps>(steps_).sigmas)
    all.push_back(1 / (1 + sigma * sigma));
  return all;
}

torch::Tensor SamplingPlan::at_level(int64_t level, const torch::Tensor& latents) const {
  if (std::holds_alternative<AlphaSteps>(steps_)) return latents;
  const double sigma = std::get<SigmaSteps>(steps_).sigmas.at(static_cast<std::size_t>(level));
  return sigma == 0 ? latents : std::sqrt(1 + sigma * sigma) * latents;
}

double SamplingPlan::input_scale(int64_t step) const {
  const auto* sigmas = std::get_if<SigmaSteps>(&steps_);
  return sigmas == nullptr ? 1.0
                           : std::hypot(1.0, sigmas->sigmas.at(static_cast<std::size_t>(step)));
}

double SamplingPlan::alpha(int64_t step) const {
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) {
    return alphas->schedule.steps.at(static_cast<std::size_t>(step)).alpha;
  }
  const double scale = input_scale(step);
  return 1 / (scale * scale);
}

torch::Tensor SamplingPlan::from_noise(const torch::Tensor& noise) const {
  if (std::holds_alternative<AlphaSteps>(steps_)) return noise;
  const auto& steps = std::get<SigmaSteps>(steps_);
  const double sigma = steps.sigmas.front();
  return (steps.unit_variance ? std::sqrt(1 + sigma * sigma) : sigma) * noise;
}

torch::Tensor SamplingPlan::from_picture(const torch::Tensor& x0,
                                         const torch::Tensor& noise) const {
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) {
    return add_noise(x0, noise, alphas->start_alpha);
  }
  return add_sigma_noise(x0, noise, std::get<SigmaSteps>(steps_).sigmas.front());
}

torch::Tensor SamplingPlan::at_end_of(int64_t step, const torch::Tensor& x0,
                                      const torch::Tensor& noise) const {
  const auto at = static_cast<std::size_t>(step);
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) {
    return add_noise(x0, noise, alphas->schedule.steps.at(at).alpha_prev);
  }
  return add_sigma_noise(x0, noise, std::get<SigmaSteps>(steps_).sigmas.at(at + 1));
}

torch::Tensor SamplingPlan::run(Denoiser& denoiser, torch::Tensor x, const StepHooks& hooks,
                                NoiseSource& branch_noise, StepNoise step_noise) const {
  if (const auto* alphas = std::get_if<AlphaSteps>(&steps_)) {
    SampleRun run{hooks, alphas->schedule, eta_, &branch_noise};
    return kind_ == SamplerKind::kPlms ? sample_plms(denoiser, std::move(x), run)
                                       : sample_ddim(denoiser, std::move(x), run);
  }
  const auto& steps = std::get<SigmaSteps>(steps_);
  SigmaRun run{hooks, steps.sigmas, 1.0, std::move(step_noise)};
  if (kind_ == SamplerKind::kTcd) run.down = tcd_levels(steps.table, steps.sigmas, tcd_gamma_);
  EpsSigmaDenoiser by_sigma(denoiser, steps.table);
  return sigma_sampler(kind_)(by_sigma, std::move(x), run);
}

}  // namespace sd
