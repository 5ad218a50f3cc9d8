#include "pipeline/sampling_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sd/core/error.h"

namespace sd {
namespace {

std::vector<double> all_sigmas(const SigmaTable& table, const DrawSettings& settings) {
  const auto& info = info_of(settings.sampler);
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
  std::optional<int64_t> left;
  if (strength) left = steps_at_strength(*strength, settings.steps);
  if (by_sigma) {
    SigmaSteps steps{SigmaTable(schedule), {}};
    auto sigmas = all_sigmas(steps.table, settings);
    const auto skipped = settings.steps - left.value_or(settings.steps);
    sigmas.erase(sigmas.begin(), sigmas.begin() + skipped);
    if (sigmas.size() > 1) steps.sigmas = std::move(sigmas);
    plan.steps_ = std::move(steps);
    return plan;
  }
  const auto full = uniform_steps(schedule, settings.steps);
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

torch::Tensor SamplingPlan::from_noise(const torch::Tensor& noise) const {
  if (std::holds_alternative<AlphaSteps>(steps_)) return noise;
  return std::get<SigmaSteps>(steps_).sigmas.front() * noise;
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
  EpsSigmaDenoiser by_sigma(denoiser, steps.table);
  return sigma_sampler(kind_)(by_sigma, std::move(x), run);
}

}  // namespace sd
