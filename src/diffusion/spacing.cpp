#include "sd/diffusion/spacing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"

namespace sd {
namespace {

/// How a family of diffusers' schedulers counts.
enum class Family {
  kWhole,       // DDIM, PNDM: n timesteps, whole
  kFractional,  // Euler, Heun, LMS, KDPM2, DPMSolverSDE: n timesteps
  kBeyond,      // DPM-Solver++, UniPC: the first n of n + 1, whole
};

Family family_of(SamplerKind sampler) {
  switch (sampler) {
    case SamplerKind::kDdim:
    case SamplerKind::kPlms:
      return Family::kWhole;
    case SamplerKind::kDpmpp2sAncestral:
    case SamplerKind::kDpmpp2m:
    case SamplerKind::kDpmpp2mSde:
    case SamplerKind::kDpmpp3mSde:
    case SamplerKind::kUniPc:
      return Family::kBeyond;
    case SamplerKind::kLcm:
    case SamplerKind::kTcd:
      throw UsageError(fmt::format("timesteps: {} has timesteps of its own, of its distillation",
                                   info_of(sampler).name));
    default:
      return Family::kFractional;
  }
}

/// The i-th from the top.
double timestep(TimestepSpacing spacing, Family family, int64_t total, int64_t steps, int64_t i) {
  const int64_t count = family == Family::kBeyond ? steps + 1 : steps;
  const auto from_below = static_cast<double>(count - 1 - i);
  constexpr double kOffset = 1;  // of Stable Diffusion's steps_offset
  switch (spacing) {
    case TimestepSpacing::kTrailing:
      return std::nearbyint(static_cast<double>(total) - static_cast<double>(i) *
                                                             static_cast<double>(total) /
                                                             static_cast<double>(steps)) -
             1;
    case TimestepSpacing::kLeading:
      return std::min(from_below * static_cast<double>(total / count) + kOffset,
                      static_cast<double>(total - 1));
    case TimestepSpacing::kLinspace:
      break;
  }
  if (count == 1) return 0;  // as numpy.linspace has it
  const double t = from_below * static_cast<double>(total - 1) / static_cast<double>(count - 1);
  return family == Family::kFractional ? t : std::nearbyint(t);
}

}  // namespace

std::vector<double> spaced_timesteps(TimestepSpacing spacing, SamplerKind sampler, int64_t total,
                                     int64_t steps) {
  const auto family = family_of(sampler);
  if (steps < 1 || steps > total) {
    throw UsageError(fmt::format("{} steps asked for; expected 1 to {}", steps, total));
  }
  std::vector<double> timesteps;
  for (int64_t i = 0; i < steps; ++i) {
    timesteps.push_back(timestep(spacing, family, total, steps, i));
    if (i > 0 && timesteps[i] >= timesteps[i - 1]) {
      throw UsageError(fmt::format("timesteps: {} has no {} steps in {} spacing; ask for fewer",
                                   info_of(sampler).name, steps, name_of(spacing)));
    }
  }
  return timesteps;
}

bool begins_at_unit_variance(TimestepSpacing spacing, SamplerKind sampler) {
  return spacing == TimestepSpacing::kLeading || family_of(sampler) == Family::kBeyond;
}

StepSchedule spaced_steps(const NoiseSchedule& schedule, TimestepSpacing spacing, int64_t steps) {
  const auto& alphas = schedule.alphas_cumprod;
  StepSchedule result;
  for (const double timestep :
       spaced_timesteps(spacing, SamplerKind::kDdim, schedule.timesteps(), steps)) {
    const auto t = static_cast<int64_t>(timestep);
    const int64_t before = std::max<int64_t>(t - schedule.timesteps() / steps, 0);
    result.steps.push_back(
        {t, alphas[static_cast<std::size_t>(t)], alphas[static_cast<std::size_t>(before)]});
  }
  return result;
}

}  // namespace sd
