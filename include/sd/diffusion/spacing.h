#pragma once

#include <cstdint>
#include <vector>

#include "sd/core/few_step_settings.h"
#include "sd/core/sampler_table.h"
#include "sd/diffusion/schedule.h"

namespace sd {

/// The falling timesteps of a run, as diffusers' scheduler for this sampler spaces them: linspace
/// and leading differ between its families. Throws UsageError unless 1 <= steps <= total, for more
/// steps than there are timesteps to have one each, and for samplers with timesteps of their own
/// (LCM, TCD).
std::vector<double> spaced_timesteps(TimestepSpacing spacing, SamplerKind sampler, int64_t total,
                                     int64_t steps);

/// Whether diffusers' scheduler for this sampler begins with latents of unit variance, as DDPM's
/// are; else with x = σ·n, as k-diffusion does.
bool begins_at_unit_variance(TimestepSpacing spacing, SamplerKind sampler);

/// The same for DDIM and PLMS. As in diffusers, each step goes timesteps / steps (cut) lower,
/// whichever timestep comes next.
StepSchedule spaced_steps(const NoiseSchedule& schedule, TimestepSpacing spacing, int64_t steps);

}  // namespace sd
