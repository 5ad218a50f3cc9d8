#include "sd/diffusion/sigmas.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diffusion/beta_quantile.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr double kRho = 7;               // arXiv:2206.00364, table 1
constexpr double kBetaShape = 0.6;       // arXiv:2407.12173, section 4
constexpr int64_t kDistilledSteps = 50;  // arXiv:2310.04378: of the solver that taught the model

/// i-th of `count` values that go evenly from `first` to `last`, both included.
double even(double first, double last, int64_t i, int64_t count) {
  if (count == 1) return first;
  return first + (last - first) * static_cast<double>(i) / static_cast<double>(count - 1);
}

double karras(const SigmaTable& table, int64_t i, int64_t steps) {
  const double root =
      even(std::pow(table.largest(), 1 / kRho), std::pow(table.smallest(), 1 / kRho), i, steps);
  return std::pow(root, kRho);
}

double beta(const SigmaTable& table, int64_t i, int64_t steps) {
  const double quantile = beta_quantile(even(1, 0, i, steps), kBetaShape, kBetaShape);
  return table.smallest() + quantile * (table.largest() - table.smallest());
}

double lcm(const SigmaTable& table, int64_t i, int64_t steps) {
  const int64_t stride = table.timesteps() / kDistilledSteps;
  const int64_t index = i * kDistilledSteps / steps;  // of the distilled ones, from the top
  return table.sigma(static_cast<double>((kDistilledSteps - index) * stride - 1));
}

/// How many timesteps below the last: whole ones, as long as there are enough for every step to
/// have its own.
double simple(const SigmaTable& table, int64_t i, int64_t steps) {
  const int64_t total = table.timesteps();
  if (steps <= total) return static_cast<double>(i * total / steps);
  return static_cast<double>(i) * static_cast<double>(total) / static_cast<double>(steps);
}

double sigma_of(SchedulerKind kind, const SigmaTable& table, int64_t i, int64_t steps) {
  const auto last = static_cast<double>(table.timesteps() - 1);
  switch (kind) {
    case SchedulerKind::kDiscrete:
      return table.sigma(even(last, 0, i, steps));
    case SchedulerKind::kKarras:
      return karras(table, i, steps);
    case SchedulerKind::kExponential:
      return std::exp(even(std::log(table.largest()), std::log(table.smallest()), i, steps));
    case SchedulerKind::kSgmUniform:
      return table.sigma(even(last, 0, i, steps + 1));
    case SchedulerKind::kSimple:
      return table.sigma(last - simple(table, i, steps));
    case SchedulerKind::kBeta:
      return beta(table, i, steps);
    case SchedulerKind::kLcm:
      return lcm(table, i, steps);
    case SchedulerKind::kUniform:
      break;
  }
  throw UsageError("the schedule of DDIM and PLMS has timesteps of its own");
}

/// `steps` levels and 0. Throws UsageError where `wanted` steps are not 1 to what `kind` has.
std::vector<double> levels(SchedulerKind kind, const SigmaTable& table, int64_t steps,
                           int64_t wanted) {
  const int64_t most = kind == SchedulerKind::kLcm ? kDistilledSteps : table.timesteps();
  if (wanted < 1 || wanted > most) {
    throw UsageError(fmt::format("{} steps asked for; expected 1 to {}", wanted, most));
  }
  std::vector<double> sigmas;
  for (int64_t i = 0; i < steps; ++i) sigmas.push_back(sigma_of(kind, table, i, steps));
  sigmas.push_back(0);
  return sigmas;
}

}  // namespace

SigmaTable::SigmaTable(const NoiseSchedule& schedule) : schedule_(schedule) {
  for (const double alpha : schedule.alphas_cumprod) {
    log_sigmas_.push_back(0.5 * std::log((1 - alpha) / alpha));
  }
}

double SigmaTable::smallest() const { return std::exp(log_sigmas_.front()); }
double SigmaTable::largest() const { return std::exp(log_sigmas_.back()); }

double SigmaTable::sigma(double timestep) const {
  const double last = static_cast<double>(log_sigmas_.size() - 1);
  const double t = std::clamp(timestep, 0.0, last);
  const auto below = static_cast<std::size_t>(t);
  const auto above = std::min(below + 1, log_sigmas_.size() - 1);
  const double part = t - static_cast<double>(below);
  return std::exp((1 - part) * log_sigmas_[below] + part * log_sigmas_[above]);
}

double SigmaTable::alpha(double timestep) const {
  const bool whole = timestep == std::floor(timestep) && timestep >= 0 &&
                     timestep < static_cast<double>(schedule_.timesteps());
  if (whole) return schedule_.alphas_cumprod[static_cast<std::size_t>(timestep)];
  const double level = sigma(timestep);
  return 1 / (1 + level * level);
}

double SigmaTable::timestep(double sigma) const {
  const double wanted = std::log(sigma);
  if (!(wanted > log_sigmas_.front())) return 0;
  const auto above = std::lower_bound(log_sigmas_.begin(), log_sigmas_.end(), wanted);
  const auto index = static_cast<double>(above - log_sigmas_.begin());
  if (above == log_sigmas_.end()) return index - 1;
  return index - (*above - wanted) / (*above - *(above - 1));
}

std::vector<double> sigma_steps(SchedulerKind kind, const SigmaTable& table, int64_t steps) {
  return levels(kind, table, steps, steps);
}

std::vector<double> sigma_steps_without_penultimate(SchedulerKind kind, const SigmaTable& table,
                                                    int64_t steps) {
  auto sigmas = levels(kind, table, steps + 1, steps);  // the one more is dropped, not made
  sigmas.erase(sigmas.end() - 2);
  return sigmas;
}

}  // namespace sd
